import type { Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { staleEpoch } from '../../errors.ts'
import { recountSlots } from '../assistant/take-slot.ts'
import { sanitize } from '../conversation/sanitize.ts'

/** As the host says it: a claim, not a fact. */
export interface HostCapacity {
  maxAssistants: number
  memoryTotalBytes: bigint
  memoryFreeBytes: bigint
  /** 0 = not known. */
  diskTotalBytes: bigint
  diskFreeBytes: bigint
  /** What runs there unplaced, and is more than the agent ends by itself. */
  heldOrphans: number
}

export interface OpenHostSessionInput {
  hostId: string
  /** Which control-plane replica holds the connection. */
  replica: string
  agentVersion: string
  runtime: string
  ip: string
  capacity: HostCapacity | undefined
  /** Silence after which the session counts as gone. */
  leaseMs: number
}

/** Starts a session with an epoch above every earlier one of the host; the nudge tells the earlier one to leave. */
export function openHostSession({
  ctx,
  input,
}: {
  ctx: Ctx
  input: OpenHostSessionInput
}): Promise<{ epoch: bigint }> {
  return inTransaction(ctx, async (tx) => {
    const now = new Date(ctx.clock.now())
    const leaseExpiresAt = new Date(now.getTime() + input.leaseMs)
    const session = { replica: input.replica, leaseExpiresAt, connectedAt: now }
    const { epoch } = await tx.hostSession.upsert({
      where: { hostId: input.hostId },
      create: { hostId: input.hostId, epoch: 1n, ...session },
      update: { epoch: { increment: 1n }, ...session },
    })
    await tx.hostServer.update({
      where: { id: input.hostId },
      data: {
        agentVersion: plain(input.agentVersion),
        runtime: plain(input.runtime),
        ip: plain(input.ip) || null,
        ...seen(now, input.capacity),
      },
    })
    await recountSlots(tx, input.hostId)
    nudge(tx, 'changes', input.hostId)
    return { epoch }
  })
}

/** Renews the lease of the newest session; throws stale_epoch for any other. */
export function heartbeat({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { hostId: string; epoch: bigint; capacity: HostCapacity | undefined; leaseMs: number }
}): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const now = new Date(ctx.clock.now())
    const { count } = await tx.hostSession.updateMany({
      where: { hostId: input.hostId, epoch: input.epoch },
      data: { leaseExpiresAt: new Date(now.getTime() + input.leaseMs) },
    })
    if (count === 0) throw staleEpoch()
    await tx.hostServer.update({ where: { id: input.hostId }, data: seen(now, input.capacity) })
  })
}

/** Ends the lease at once, so that nobody waits for it to run out. No-op for a superseded session. */
export async function closeHostSession({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { hostId: string; epoch: bigint }
}) {
  await ctx.db.hostSession.updateMany({
    where: { hostId: input.hostId, epoch: input.epoch },
    data: { leaseExpiresAt: new Date(ctx.clock.now()) },
  })
}

/** Holds the session's row until the transaction ends, so no newer session can start under a write of this one. */
export async function requireEpoch(tx: Transaction, hostId: string, epoch: bigint): Promise<void> {
  const rows = await tx.$queryRaw<{ epoch: bigint }[]>`
    SELECT epoch FROM host_sessions WHERE host_id = ${hostId}::uuid AND epoch = ${epoch} FOR SHARE`
  if (rows.length === 0) throw staleEpoch()
}

const seen = (now: Date, capacity: HostCapacity | undefined) => ({
  lastSeen: now,
  ...(capacity && {
    maxContainers: Math.min(capacity.maxAssistants, mostAssistants),
    memoryTotalBytes: storable(capacity.memoryTotalBytes),
    memoryFreeBytes: storable(capacity.memoryFreeBytes),
    diskTotalBytes: capacity.diskTotalBytes > 0n ? storable(capacity.diskTotalBytes) : null,
    diskFreeBytes: capacity.diskTotalBytes > 0n ? storable(capacity.diskFreeBytes) : null,
    heldOrphans: Math.min(capacity.heldOrphans, mostAssistants),
    // The word was for these.
    ...(capacity.heldOrphans === 0 && { orphanRemovalUntil: null }),
  }),
})

const mostAssistants = 10_000
const maxBigint = 2n ** 63n - 1n

/** What a host says may be anything that its protocol can hold; a column holds less. */
const storable = (bytes: bigint) => (bytes > maxBigint ? maxBigint : bytes)
const plain = (text: string) => sanitize(text).slice(0, 100).toWellFormed()
