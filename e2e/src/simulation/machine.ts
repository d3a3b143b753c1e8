import { createKeyRing, createReconciler, type Runtime, runSession } from '@yourclaw/host-agent/testing'
import type { AssistantSpec, HostServiceClient } from '@yourclaw/proto/host/v1'
import type { Logger } from 'pino'
import type { Random } from '../random.ts'
import type { VirtualClock } from './clock.ts'
import type { Wire } from './wire.ts'

/** How unreliable the containers are now; a probability an operation. */
export interface Wear {
  fails: number
  maxDelayMs: number
}

interface Container {
  spec: AssistantSpec
  /** Of the spec it was launched for. */
  restartCount: number
}

export interface MachineDeps {
  clock: VirtualClock
  random: Random
  wear: Wear
  log: Logger
  slots: number
  connect: () => Wire
  /** Something happened that a correct system never does. */
  broken: (what: string) => void
  /** A healthy container was stopped, or a new one launched. */
  note: (what: 'stopped' | 'launched', assistantId: string) => void
}

export type Machine = ReturnType<typeof createMachine>

/** One host: containers that may crash, and an agent that may be killed: its reconciler and session are production's. */
export function createMachine(deps: MachineDeps) {
  const { clock, random, wear, log } = deps
  const containers = new Map<string, Container>()
  const data = new Set<string>()
  let changes = 0
  let agent = startAgent()

  function startAgent() {
    const stopping = new AbortController()
    const busy = new Set<string>()
    /** Assistants this agent has started or adopted. */
    const known = new Set<string>()
    let exited: (assistantId: string) => void = () => {}
    let wire: Wire | undefined

    /** One operation of the runtime: slow, sometimes failing, never two at once for one assistant. */
    async function operate<T>(id: string, work: () => T): Promise<T> {
      if (busy.has(id)) deps.broken(`two operations at once on ${id}`)
      busy.add(id)
      await clock.sleep(random.between(1, wear.maxDelayMs))
      busy.delete(id)
      // What a dead agent was about to do never happens.
      if (stopping.signal.aborted) return new Promise<never>(() => {})
      if (random.chance(wear.fails)) throw new Error('the operation failed')
      return work()
    }
    const end = (id: string) => {
      if (!containers.delete(id)) return
      changes += 1
      deps.note('stopped', id)
    }
    /** Brings up to date what runs, else launches it. */
    const launch = (spec: AssistantSpec) => {
      const container = containers.get(spec.assistantId)
      if (container?.spec.model !== spec.model) changes += 1
      if (container) container.spec = spec
      else {
        deps.note('launched', spec.assistantId)
        containers.set(spec.assistantId, { spec, restartCount: spec.restartCount })
        data.add(spec.assistantId)
      }
    }
    const runtime: Runtime = {
      name: 'fake',
      start: (spec) =>
        operate(spec.assistantId, () => {
          const container = containers.get(spec.assistantId)
          // As the real ones do: what runs goes on, and what an earlier agent left, unless a restart is due.
          if (container && container.restartCount !== spec.restartCount) end(spec.assistantId)
          known.add(spec.assistantId)
          launch(spec)
          return { containerId: spec.assistantId, url: 'http://container' }
        }),
      apply: (spec) =>
        operate(spec.assistantId, () => {
          if (containers.has(spec.assistantId)) launch(spec)
        }),
      stop: (id) => operate(id, () => end(id)),
      erase: (spec) =>
        operate(spec.assistantId, () => {
          end(spec.assistantId)
          data.delete(spec.assistantId)
        }),
      conversation: () => {
        throw new Error('nobody talks here')
      },
      placeFile: async () => {},
      archiveState: async () => ({ bytes: 0, sha256: '' }),
      diskUsed: async () => 0,
      restoreState: async () => {},
      leftRunning: async () => [...containers.keys()].filter((id) => !known.has(id)),
      onExit(listener) {
        exited = listener
      },
      close: async () => {},
    }
    const reconciler = createReconciler({
      runtime,
      maxAssistants: deps.slots,
      keys: createKeyRing(),
      log,
      now: clock.now,
    })
    const capacity = () => ({
      maxAssistants: deps.slots,
      currentAssistants: containers.size,
      memoryTotalBytes: 1n,
      memoryFreeBytes: 1n,
      diskTotalBytes: 0n,
      diskFreeBytes: 0n,
      heldOrphans: 0,
    })

    async function keepLink() {
      let disconnect = () => {}
      while (!stopping.signal.aborted) {
        const opened = deps.connect()
        wire = opened
        const client = { session: () => opened.near } as unknown as HostServiceClient
        await runSession(
          client,
          {
            hello: () => ({
              agentVersion: '1.0.0',
              protocolVersions: [1],
              capabilities: [],
              runtime: 'fake',
              ip: '',
              capacity: capacity(),
              observed: reconciler.observed(),
              heldTurns: [],
            }),
            capacity,
            welcomed(_welcome, send) {
              disconnect = reconciler.connect((observed) => send({ $case: 'observed', observed }))
            },
            message(body) {
              if (body.$case === 'snapshot')
                reconciler.snapshot(body.snapshot.assistants, body.snapshot.sharedKeys)
              if (body.$case === 'delta') reconciler.delta(body.delta.assistants)
            },
          },
          stopping.signal,
        ).catch(() => {})
        disconnect()
        await clock.sleep(random.between(100, 2_000))
      }
    }
    void keepLink()
    return {
      wire: () => wire,
      crash(id: string) {
        if (!containers.delete(id)) return
        if (known.has(id)) exited(id)
      },
      kill() {
        stopping.abort()
        wire?.cut()
      },
    }
  }

  return {
    containers,
    data,
    /** How often a container was launched, changed or stopped. */
    changes: () => changes,
    wire: () => agent.wire(),
    crash: (id: string) => agent.crash(id),
    /** Its containers go on without it. */
    restartAgent() {
      agent.kill()
      agent = startAgent()
    },
    stop: () => agent.kill(),
  }
}
