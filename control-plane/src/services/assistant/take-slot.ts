import { Prisma, type Transaction } from '@yourclaw/db'

/** What an assistant needs to come up: an idle one takes 380 MiB. The fake runtime's take nothing worth counting. */
const assistantBytes = 512 * 1024 ** 2
/** Less of the data disk free than this, and a host takes nobody new. */
export const minDiskFree = 0.1

/**
 * Takes one slot of the connected host with the most room; null without one. Room is the scarcer of free slots and free
 * memory, so assistants spread; assistants on their way up count as memory that is gone. The host's row is locked while
 * its count changes, so hosts are never over-booked however many people create at once (F2). Placements go one by one: a
 * transaction that finds its host full after a wait still holds that row, and two of those would wait for each other.
 */
export async function takeSlot(tx: Transaction, now: Date): Promise<string | null> {
  await lockPlacement(tx)
  const [host] = await tx.$queryRaw<{ id: string }[]>`
    SELECT h.id FROM host_servers h JOIN host_sessions s ON s.host_id = h.id AND s.lease_expires_at > ${now}
    CROSS JOIN LATERAL (
      SELECT CASE WHEN h.runtime = 'fake' THEN NULL ELSE h.memory_free_bytes - ${assistantBytes} * (
        SELECT count(*) FROM assistants a
        WHERE a.host_server_id = h.id AND a.status = 'PROVISIONING' AND a.suspended_at IS NULL) END AS bytes
    ) AS free
    WHERE h.state::text = 'ACTIVE' AND h.current_containers < h.max_containers
      AND (free.bytes IS NULL OR free.bytes >= ${assistantBytes})
      AND (h.disk_free_bytes IS NULL OR h.disk_free_bytes >= h.disk_total_bytes * ${minDiskFree}::float)
    ORDER BY LEAST(1 - h.current_containers::float / h.max_containers,
      free.bytes::float / NULLIF(h.memory_total_bytes, 0)) DESC, h.id
    LIMIT 1
    FOR NO KEY UPDATE OF h`
  if (!host) return null
  await tx.hostServer.update({ where: { id: host.id }, data: { currentContainers: { increment: 1 } } })
  return host.id
}

const placement = Prisma.sql`hashtext('yourclaw.placement')`

/** Until the transaction ends nobody else decides where an assistant goes. */
const lockPlacement = (tx: Transaction) => tx.$executeRaw`SELECT pg_advisory_xact_lock(${placement})`

/** Whether somebody else decides where an assistant goes; if not, it is this transaction until its end. */
export async function isPlacing(tx: Transaction): Promise<boolean> {
  const [lock] = await tx.$queryRaw<{ isOurs: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(${placement}) AS "isOurs"`
  return lock?.isOurs !== true
}

/** Gives a slot back, in the transaction that takes the assistant off the host. */
export async function releaseSlot(tx: Transaction, hostId: string): Promise<void> {
  await tx.hostServer.updateMany({
    where: { id: hostId, currentContainers: { gt: 0 } },
    data: { currentContainers: { decrement: 1 } },
  })
}

/** Sets the count right, whatever moved it: an account that went with its assistant, a hand in the database. */
export async function recountSlots(tx: Transaction, hostId: string): Promise<void> {
  // Locked first, so that the count sees what whoever held the row before us has done.
  await tx.$queryRaw`SELECT 1 FROM host_servers WHERE id = ${hostId}::uuid FOR NO KEY UPDATE`
  await tx.$executeRaw`
    UPDATE host_servers SET current_containers = placed.count
    FROM (SELECT count(*)::int AS count FROM assistants WHERE host_server_id = ${hostId}::uuid) AS placed
    WHERE id = ${hostId}::uuid AND current_containers <> placed.count`
}
