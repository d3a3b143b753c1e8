import { type Pool, Prisma } from '@yourclaw/db'
import type { Recipient } from './ctx.ts'

/** Whose assistant answers an address. */
export interface Owner {
  assistantId: string
  userId: string
  hostServerId: string | null
}

/** Of how many addresses is remembered. */
const maxOwners = 20_000

/**
 * Whose an address was when it was last looked at: what to expect, never the truth. Who writes checks it under the
 * assistant's lock, and forgets what does not hold any more.
 */
export interface KnownOwners {
  /** In the order of `addresses`; undefined for a stranger's. */
  find(addresses: readonly Recipient[]): Promise<(Owner | undefined)[]>
  forget(address: Recipient): void
}

export function createKnownOwners(pool: Pick<Pool, 'query'>): KnownOwners {
  const owners = new Map<string, Owner>()
  const keyOf = ({ channel, address }: Recipient) => `${channel}:${address}`
  const remember = (address: Recipient, owner: Owner) => {
    const [oldest] = owners.keys()
    if (owners.size >= maxOwners && oldest !== undefined) owners.delete(oldest)
    owners.set(keyOf(address), owner)
  }
  return {
    async find(addresses) {
      const unknown = addresses.filter((address) => !owners.has(keyOf(address)))
      const found = unknown.length === 0 ? [] : await look(pool, unknown)
      for (const { channel, address, ...owner } of found) remember({ channel, address }, owner)
      return addresses.map((address) => owners.get(keyOf(address)))
    },
    forget: (address) => void owners.delete(keyOf(address)),
  }
}

function look(pool: Pick<Pool, 'query'>, addresses: readonly Recipient[]): Promise<(Owner & Recipient)[]> {
  const asked = addresses.map(({ channel, address }) => ({ channel, address }))
  return pool.query(Prisma.sql`
    SELECT i.channel::text, i.address, a.id AS "assistantId", a.user_id AS "userId", a.host_server_id AS "hostServerId"
    FROM json_to_recordset(${JSON.stringify(asked)}::json) AS i (channel "Channel", address text)
    JOIN assistants a ON a.user_id = CASE i.channel WHEN 'WEB' THEN i.address::uuid ELSE (
      SELECT p.user_id FROM user_phones p
      WHERE p.channel = i.channel AND p.address = i.address AND p.unbound_at IS NULL) END`)
}
