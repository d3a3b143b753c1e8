import { type Ctx, inTransaction } from '../../context.ts'
import { isWaiting } from '../assistant/place-waiting.ts'
import { minDiskFree } from '../assistant/take-slot.ts'
import { deadPerHourLimit } from '../operation/find-problems.ts'
import { readDeliveries } from '../operation/read-backlog.ts'
import { type AlertCause, type AlertKind, endAlert, raiseAlert } from './raise-alert.ts'

/** A host may miss its lease for as long without a word: agents restart, and links break. */
const silenceMs = 60_000
/** Somebody may wait as long for a host: after a start of ours all of them are on their way back. */
const placementMs = 30_000

/** What is seen here; the others are ended by whoever raised them. */
const watched: readonly string[] = [
  'no_capacity',
  'host_silent',
  'crash_loop',
  'disk',
  'orphans',
  'dead_letters',
] satisfies AlertKind[]

interface Lasting {
  cause: AlertCause
  detail: string
}

/**
 * Raises what lasts now and ends what lasted before, by what the tables say. Any number of replicas may look at once.
 * One cause is one transaction: what fails of one keeps no other.
 */
export async function watchFleet({ ctx }: { ctx: Ctx }): Promise<void> {
  const lasting = await readLasting(ctx)
  for (const { cause, detail } of lasting) await inTransaction(ctx, (tx) => raiseAlert({ tx, cause, detail }))
  const open = await ctx.db.alert.findMany({ where: { endedAt: null }, select: { cause: true } })
  const still = new Set<string>(lasting.map(({ cause }) => cause))
  for (const { cause } of open) {
    const [kind = ''] = cause.split(':')
    if (watched.includes(kind) && !still.has(cause))
      await inTransaction(ctx, (tx) => endAlert({ tx, cause: cause as AlertCause }))
  }
}

async function readLasting(ctx: Ctx): Promise<Lasting[]> {
  const all = await Promise.all([readWaiting(ctx), readHosts(ctx), readCrashLoops(ctx), readDead(ctx)])
  return all.flat()
}

/** Waiting begins when the assistant is wanted; what is changed of it meanwhile does not begin it anew. */
async function readWaiting({ db, clock }: Ctx): Promise<Lasting[]> {
  const since = new Date(clock.now() - placementMs)
  const [{ waiting } = { waiting: 0 }] = await db.$queryRaw<{ waiting: number }[]>`
    SELECT count(*)::int AS waiting FROM assistants a WHERE ${isWaiting} AND (
      SELECT max(created_at) FROM change_log
      WHERE assistant_id = a.id AND kind::text IN ('CREATE', 'RETRY', 'RESUME')) < ${since}`
  return waiting === 0 ? [] : [{ cause: 'no_capacity', detail: `${waiting} wait for a host with room.` }]
}

async function readHosts({ db, clock }: Ctx): Promise<Lasting[]> {
  const silentSince = new Date(clock.now() - silenceMs)
  const hosts = await db.hostServer.findMany({
    where: { state: { in: ['ACTIVE', 'CORDONED', 'DRAINING'] }, session: { isNot: null } },
    include: { session: true },
  })
  return hosts.flatMap((host): Lasting[] => {
    const { name, session, heldOrphans, diskFreeBytes: free, diskTotalBytes: total } = host
    if (session && session.leaseExpiresAt < silentSince) {
      const detail = `${name} has not been heard of since ${host.lastSeen?.toISOString() ?? 'ever'}; ${host.currentContainers} assistants are placed on it.`
      return [{ cause: `host_silent:${name}`, detail }]
    }
    const isShort = free !== null && total !== null && Number(free) < Number(total) * minDiskFree
    return [
      ...(isShort
        ? [
            {
              cause: `disk:${name}` as const,
              detail: `${name} has ${percent(free, total)} % of its disk left.`,
            },
          ]
        : []),
      ...(heldOrphans > 0
        ? [
            {
              cause: `orphans:${name}` as const,
              detail: `${name} runs ${heldOrphans} assistants nobody placed there.`,
            },
          ]
        : []),
    ]
  })
}

const percent = (part: bigint, whole: bigint) => Math.round((Number(part) / Number(whole)) * 100)

/** By host: one that makes all of its assistants crash is one cause. */
async function readCrashLoops({ db }: Ctx): Promise<Lasting[]> {
  const rows = await db.$queryRaw<{ name: string; count: number }[]>`
    SELECT h.name, count(*)::int AS count FROM assistants a JOIN host_servers h ON h.id = a.host_server_id
    WHERE a.status = 'ERROR' AND a.last_error_code = 'crash_loop' AND a.desired = 'PRESENT'
      AND a.suspended_at IS NULL
    GROUP BY h.name`
  return rows.map(({ name, count }) => ({
    cause: `crash_loop:${name}` as const,
    detail: `${count} assistants on ${name} end again and again.`,
  }))
}

async function readDead(ctx: Ctx): Promise<Lasting[]> {
  const { deadLastHour } = await readDeliveries(ctx, ctx.clock.now())
  if (deadLastHour <= deadPerHourLimit) return []
  return [{ cause: 'dead_letters', detail: `${deadLastHour} messages of the last hour were given up.` }]
}
