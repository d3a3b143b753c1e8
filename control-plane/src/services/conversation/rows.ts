import { createHash } from 'node:crypto'
import type { Transaction } from '@yourclaw/db'
import type { Recipient } from './ctx.ts'

export interface AssistantRow {
  id: string
  userId: string
  status: 'NONE' | 'PROVISIONING' | 'READY' | 'ERROR'
  desired: 'PRESENT' | 'ABSENT'
  hostServerId: string | null
  suspendedAt: Date | null
}

/** The lock that orders a conversation: whoever changes its messages or turns takes it first. */
export async function lockAssistant(tx: Transaction, userId: string): Promise<AssistantRow | null> {
  const rows = await tx.$queryRaw<AssistantRow[]>`
    SELECT id, user_id AS "userId", status::text, desired::text, host_server_id AS "hostServerId",
      suspended_at AS "suspendedAt"
    FROM assistants WHERE user_id = ${userId}::uuid FOR UPDATE`
  return rows[0] ?? null
}

/** The same, of whom a live binding says the address belongs to; null for a stranger. */
export async function lockOwner(tx: Transaction, to: Recipient): Promise<AssistantRow | null> {
  if (to.channel === 'WEB') return lockAssistant(tx, to.address)
  const rows = await tx.$queryRaw<AssistantRow[]>`
    SELECT id, user_id AS "userId", status::text, desired::text, host_server_id AS "hostServerId",
      suspended_at AS "suspendedAt"
    FROM assistants WHERE user_id = (SELECT user_id FROM user_phones
      WHERE channel = ${to.channel}::"Channel" AND address = ${to.address} AND unbound_at IS NULL) FOR UPDATE`
  return rows[0] ?? null
}

/** Who a live binding says an address belongs to. On the web the address is the signed-in user's id. */
export async function findOwner(tx: Transaction, to: Recipient): Promise<string | null> {
  if (to.channel === 'WEB') return to.address
  const binding = await tx.userPhone.findFirst({
    where: { channel: to.channel, address: to.address, unboundAt: null },
    select: { userId: true },
  })
  return binding?.userId ?? null
}

/** True for the first caller only, once its transaction commits. */
export async function sayOnce(tx: Transaction, scope: string, kind: string, key: string): Promise<boolean> {
  const inserted = await tx.$executeRaw`
    INSERT INTO notices (scope, kind, key) VALUES (${scope}, ${kind}, ${key}) ON CONFLICT DO NOTHING`
  return inserted === 1
}

/** Stands for somebody who is perhaps no user: no address of theirs is kept in the clear. */
export const addressHash = ({ channel, address }: { channel: string; address: string }) =>
  createHash('sha256').update(`${channel}:${address}`).digest('hex')
