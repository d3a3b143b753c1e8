import type { Transaction } from '@yourclaw/db'

/**
 * Takes one slot of the least loaded connected host that has one, or answers null. The host's row is locked while its count
 * changes, so hosts are never over-booked however many people create at once (F2). Placements go one by one: a
 * transaction that finds its host full after a wait still holds that row, and two of those would wait for each other.
 */
export async function takeSlot(tx: Transaction, now: Date): Promise<string | null> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('yourclaw.placement'))`
  const [host] = await tx.$queryRaw<{ id: string }[]>`
    SELECT h.id FROM host_servers h JOIN host_sessions s ON s.host_id = h.id AND s.lease_expires_at > ${now}
    WHERE h.state::text = 'ACTIVE' AND h.current_containers < h.max_containers
    ORDER BY h.current_containers::float / h.max_containers, h.id
    LIMIT 1
    FOR NO KEY UPDATE OF h`
  if (!host) return null
  await tx.hostServer.update({ where: { id: host.id }, data: { currentContainers: { increment: 1 } } })
  return host.id
}

/** Gives a slot back, in the transaction that takes the assistant off the host. */
export async function releaseSlot(tx: Transaction, hostId: string): Promise<void> {
  await tx.hostServer.updateMany({
    where: { id: hostId, currentContainers: { gt: 0 } },
    data: { currentContainers: { decrement: 1 } },
  })
}
