import {
  type HostVerbs,
  judgeReport,
  type Notifications,
  nextAttempt,
  staleEpoch,
  unauthenticated,
} from '@yourclaw/control-plane/testing'
import { AssistantSpec, Presence } from '@yourclaw/proto/host/v1'
import type { Random } from '../random.ts'
import type { VirtualClock } from './clock.ts'

export interface Row {
  id: string
  userId: string
  status: 'NONE' | 'PROVISIONING' | 'READY' | 'ERROR'
  desired: 'PRESENT' | 'ABSENT'
  suspended: boolean
  desiredGeneration: number
  observedGeneration: number
  hostServerId: string | null
  model: string
  restartCount: number
  job: { generation: number; attempts: number } | null
  /** What was done that may stop a healthy container: deletions, restarts, suspensions. */
  stopCauses: number
}

export interface HostRow {
  slots: number
  taken: number
  epoch: bigint
  leaseExpiresAtMs: number
}

/** Told of every report that changed a row, with the row as it was. */
export type Witness = (hostId: string, before: Row, after: Row) => void

/** How unreliable the database is now; probabilities a call. */
export interface Trouble {
  fails: number
  nudgeLost: number
}

/**
 * The tables in memory. Rules come from production where they are pure; what is SQL there is done here in one go, as a
 * transaction is, with a delay before and after it and failures on either side of the commit.
 */
export function createStore(clock: VirtualClock, random: Random, trouble: Trouble, witness: Witness) {
  const rows = new Map<string, Row>()
  const hosts = new Map<string, HostRow>()
  const listeners = new Set<{ topic: string; handler: (id: string) => void }>()

  async function transaction<T>(work: () => T): Promise<T> {
    await clock.sleep(random.between(1, 30))
    if (random.chance(trouble.fails)) throw new Error('the database is away')
    const result = work()
    await clock.sleep(random.between(1, 30))
    if (random.chance(trouble.fails)) throw new Error('the database is away after the commit')
    return result
  }
  function nudge(topic: 'changes' | 'assistant', id: string): void {
    for (const { topic: wanted, handler } of listeners) {
      if (wanted !== topic || random.chance(trouble.nudgeLost)) continue
      clock.after(random.between(0, 50), () => handler(id))
    }
  }
  const hostOf = (id: string) => {
    const host = hosts.get(id)
    if (!host) throw unauthenticated()
    return host
  }
  const requireEpoch = (hostId: string, epoch: bigint) => {
    if (hostOf(hostId).epoch !== epoch) throw staleEpoch()
  }
  function change(row: Row, more: Partial<Row> = {}): void {
    Object.assign(row, more)
    row.desiredGeneration += 1
    row.job = { generation: row.desiredGeneration, attempts: 0 }
    if (row.hostServerId) nudge('changes', row.hostServerId)
  }
  function takeSlot(): string | null {
    const free = [...hosts].find(([, host]) => host.taken < host.slots && host.leaseExpiresAtMs > clock.now())
    if (!free) return null
    free[1].taken += 1
    return free[0]
  }
  const none = { status: 'NONE', desired: 'ABSENT', hostServerId: null, job: null, suspended: false } as const

  const specOf = (row: Row) =>
    AssistantSpec.create({
      assistantId: row.id,
      userId: row.userId,
      generation: row.desiredGeneration,
      presence:
        row.desired === 'ABSENT'
          ? Presence.PRESENCE_ABSENT
          : row.suspended
            ? Presence.PRESENCE_SUSPENDED
            : Presence.PRESENCE_RUNNING,
      model: row.model,
      restartCount: row.restartCount,
      gatewayToken: `token-${row.id}`,
      virtualKey: `key-${row.id}`,
    })

  const verbs: HostVerbs = {
    storeUsage: async () => {},
    allowances: async () => [],
    liveHosts: async () => 1,
    keyRefused: async () => {},
    openSession: ({ hostId, leaseMs }) =>
      transaction(() => {
        const host = hostOf(hostId)
        host.epoch += 1n
        host.leaseExpiresAtMs = clock.now() + leaseMs
        nudge('changes', hostId)
        return { epoch: host.epoch }
      }),
    standing: ({ hostId }) =>
      transaction(() => ({ epoch: hostOf(hostId).epoch, isTrusted: true, removeOrphans: false })),
    heartbeat: ({ hostId, epoch, leaseMs }) =>
      transaction(() => {
        requireEpoch(hostId, epoch)
        hostOf(hostId).leaseExpiresAtMs = clock.now() + leaseMs
      }),
    closeSession: ({ hostId, epoch }) =>
      transaction(() => {
        const host = hostOf(hostId)
        if (host.epoch === epoch) host.leaseExpiresAtMs = clock.now()
      }),
    recount: () => transaction(() => {}),
    placeWaiting: () =>
      transaction(() => {
        for (const row of rows.values()) {
          const waits = row.desired === 'PRESENT' && row.status === 'PROVISIONING' && !row.hostServerId
          const place = waits ? takeSlot() : null
          if (!place) continue
          row.hostServerId = place
          nudge('changes', place)
        }
        return { passedOver: false }
      }),
    desiredState: ({ hostId, assistantIds }) =>
      transaction(() =>
        [...rows.values()]
          .filter((row) => row.hostServerId === hostId && (assistantIds?.includes(row.id) ?? true))
          .map(specOf),
      ),
    desiredGenerations: ({ hostId }) =>
      transaction(
        () =>
          new Map(
            [...rows.values()]
              .filter((row) => row.hostServerId === hostId)
              .map((row) => [row.id, row.desiredGeneration]),
          ),
      ),
    applyObserved: ({ hostId, sessionEpoch, observed }) =>
      transaction(() => {
        requireEpoch(hostId, sessionEpoch)
        const row = rows.get(observed.assistantId)
        if (row?.hostServerId !== hostId) return false
        const before = { ...row }
        const verdict = judgeReport(row, observed)
        const settled = () => {
          row.observedGeneration = observed.generation
          if (row.job && row.job.generation <= observed.generation) row.job = null
        }
        const apply = () => {
          switch (verdict) {
            case 'refused':
            case 'starting':
              return verdict === 'starting'
            case 'ready':
              settled()
              row.status = 'READY'
              return true
            case 'stopped':
              settled()
              return true
            case 'gone':
              settled()
              hostOf(hostId).taken -= 1
              Object.assign(row, none)
              return true
            case 'failed': {
              const open = row.job?.generation === row.desiredGeneration ? row.job : null
              const { attempts, again } = nextAttempt(open?.attempts)
              row.observedGeneration = observed.generation
              if (!open || !again) {
                row.status = 'ERROR'
                row.job = null
                return true
              }
              row.desiredGeneration += 1
              row.job = { generation: row.desiredGeneration, attempts }
              nudge('changes', hostId)
              return true
            }
          }
        }
        const changed = apply()
        witness(hostId, before, row)
        return changed
      }),
  }
  const notifications: Pick<Notifications, 'on'> = {
    on(topic, handler) {
      const listener = { topic, handler }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }

  return {
    rows,
    hosts,
    verbs,
    notifications,
    /** What people and operators do; each changes nothing when it does not apply. */
    people: {
      create(id: string) {
        const row = rows.get(id) ?? {
          ...none,
          id,
          userId: `user-${id}`,
          desiredGeneration: 0,
          observedGeneration: 0,
          model: 'anthropic/a',
          restartCount: 0,
          stopCauses: 0,
        }
        rows.set(id, row)
        if (row.status === 'ERROR' && row.desired === 'PRESENT') change(row, { status: 'PROVISIONING' })
        if (row.status !== 'NONE') return
        change(row, { status: 'PROVISIONING', desired: 'PRESENT', hostServerId: takeSlot() })
      },
      remove(row: Row) {
        if (row.status === 'NONE' || (row.desired === 'ABSENT' && row.status !== 'ERROR')) return
        row.stopCauses += 1
        if (row.hostServerId) return change(row, { desired: 'ABSENT' })
        change(row)
        Object.assign(row, none)
      },
      choose(row: Row, model: string) {
        if (row.model === model || row.desired === 'ABSENT') return
        change(row, { model, ...(row.status === 'ERROR' && { status: 'PROVISIONING' }) })
      },
      restart(row: Row) {
        if (row.desired === 'ABSENT') return
        row.stopCauses += 1
        change(row, {
          restartCount: row.restartCount + 1,
          ...(row.status === 'ERROR' && { status: 'PROVISIONING' }),
        })
      },
      suspend(row: Row, suspended: boolean) {
        if (row.desired === 'ABSENT' || row.suspended === suspended) return
        row.stopCauses += 1
        change(row, { suspended })
      },
    },
  }
}
