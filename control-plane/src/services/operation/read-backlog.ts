import type { HostState } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'

/** What waits, and who is there to do it: one look at the database, the same from every replica. */
export interface Backlog {
  turns: {
    waiting: number
    running: number
    /** Of turns that a host could have taken; 0 = none waits. */
    oldestWaitingMs: number
  }
  deliveries: {
    /** Parts of messages that no provider has taken yet, without those that wait for a person to write. */
    pending: number
    oldestPendingMs: number
    /** Messages written within the last hour and given up; not those that may not be sent any more. */
    deadLastHour: number
  }
  /** Jobs nobody works on yet, by queue; in a dead letter queue nobody ever does. */
  queues: { name: string; waiting: number; oldestMs: number }[]
  hosts: HostBacklog[]
  /** What lasts and operators must know of, by kind. */
  alerts: { kind: string; open: number }[]
}

export interface HostBacklog {
  name: string
  state: HostState
  /** How long its session is good for without another sign of life; 0 = not connected. */
  leaseMs: number
  capacity: number
  assistants: number
}

export async function readBacklog({ ctx }: { ctx: Ctx }): Promise<Backlog> {
  const nowMs = ctx.clock.now()
  const [turns, deliveries, queues, hosts, alerts] = await Promise.all([
    readTurns(ctx, nowMs),
    readDeliveries(ctx, nowMs),
    readQueues(ctx, nowMs),
    readHosts(ctx, nowMs),
    readAlerts(ctx),
  ])
  return { turns, deliveries, queues, hosts, alerts }
}

const hourMs = 3_600_000
const ageMs = (nowMs: number, at: Date | null) => (at === null ? 0 : Math.max(0, nowMs - at.getTime()))

/** A turn behind its assistant's running one, or of an assistant that cannot run, waits for no host. */
async function readTurns({ db }: Ctx, nowMs: number): Promise<Backlog['turns']> {
  const [row] = await db.$queryRaw<{ waiting: number; running: number; oldest: Date | null }[]>`
    SELECT count(*) FILTER (WHERE t.state = 'PENDING')::int AS waiting,
      count(*) FILTER (WHERE t.state = 'RUNNING')::int AS running,
      min(t.created_at) FILTER (WHERE t.state = 'PENDING' AND a.status IN ('PROVISIONING', 'READY')
        AND a.suspended_at IS NULL AND r.id IS NULL) AS oldest
    FROM turns t JOIN assistants a ON a.id = t.assistant_id
    LEFT JOIN turns r ON r.assistant_id = t.assistant_id AND r.state = 'RUNNING'
    WHERE t.finished_at IS NULL`
  return {
    waiting: row?.waiting ?? 0,
    running: row?.running ?? 0,
    oldestWaitingMs: ageMs(nowMs, row?.oldest ?? null),
  }
}

export async function readDeliveries({ db }: Ctx, nowMs: number): Promise<Backlog['deliveries']> {
  const since = new Date(nowMs - hourMs)
  const [row] = await db.$queryRaw<{ pending: number; oldest: Date | null; dead: number }[]>`
    SELECT count(*) FILTER (WHERE state = 'PENDING')::int AS pending,
      min(created_at) FILTER (WHERE state = 'PENDING') AS oldest,
      count(DISTINCT message_id) FILTER (WHERE state = 'DEAD'
        AND coalesce(last_error_code, '') NOT IN ('opted_out', 'unbound'))::int AS dead
    FROM deliveries
    WHERE (state = 'PENDING' AND held_at IS NULL) OR (state = 'DEAD' AND created_at > ${since})`
  return {
    pending: row?.pending ?? 0,
    oldestPendingMs: ageMs(nowMs, row?.oldest ?? null),
    deadLastHour: row?.dead ?? 0,
  }
}

/** pg-boss's own figures are some seconds old; its table has an index on just these, however many are done. */
async function readQueues({ db }: Ctx, nowMs: number): Promise<Backlog['queues']> {
  const rows = await db.$queryRaw<{ name: string; waiting: number; oldest: Date | null }[]>`
    SELECT q.name, count(j.id)::int AS waiting, min(j.created_on) AS oldest
    FROM pgboss.queue q LEFT JOIN pgboss.job j ON j.name = q.name AND j.state < 'active' AND NOT j.blocked
    WHERE q.name NOT LIKE '\\_\\_pgboss%' GROUP BY q.name ORDER BY q.name`
  return rows.map(({ name, waiting, oldest }) => ({ name, waiting, oldestMs: ageMs(nowMs, oldest) }))
}

const readAlerts = ({ db }: Ctx) => db.$queryRaw<Backlog['alerts']>`
  SELECT split_part(cause, ':', 1) AS kind, count(*)::int AS open FROM alerts WHERE ended_at IS NULL GROUP BY 1`

async function readHosts({ db }: Ctx, nowMs: number): Promise<HostBacklog[]> {
  const hosts = await db.hostServer.findMany({ include: { session: true }, orderBy: { name: 'asc' } })
  return hosts.map(({ name, state, maxContainers, currentContainers, session }) => ({
    name,
    state,
    leaseMs: Math.max(0, (session?.leaseExpiresAt.getTime() ?? 0) - nowMs),
    capacity: maxContainers,
    assistants: currentContainers,
  }))
}
