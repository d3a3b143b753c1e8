import { type AssistantSpec, Observed, Phase, Presence, type ProviderKey } from '@yourclaw/proto/host/v1'
import type { Logger } from 'pino'
import { pause, repeat } from '../backoff.ts'
import { AgentError, assertNever } from '../errors.ts'
import type { KeyRing } from '../model-gateway/keys.ts'
import type { Archive } from '../runtime/archive.ts'
import type { Cause, Conversation, Running, Runtime } from '../runtime/runtime.ts'
import { type CrashSettings, createCrashes, defaultCrashes } from './crashes.ts'
import { judgeDisk } from './disk.ts'
import { createKeyedLock } from './lock.ts'
import { plan, type Seen, type Step } from './plan.ts'
import { faultOf } from './spec.ts'
import { isFew } from './strays.ts'

export interface Reconciler {
  /** The whole desired state. `manyMayLeave` is an operator's word that all that it does not name may be ended. */
  snapshot(assistants: AssistantSpec[], sharedKeys: ProviderKey[], manyMayLeave?: boolean): void
  /** Assistants that the last snapshot did not name, and that were too many to be ended. */
  heldStrays(): number
  /** A part of it; specs older than known ones are ignored. */
  delta(assistants: AssistantSpec[]): void
  /** The last report about every assistant. */
  observed(): Observed[]
  /** Tells `send` what is seen now, since nobody may have heard it yet, and every report from then on, until called off. */
  connect(send: (observed: Observed) => void): () => void
  /**
   * Where a turn of this assistant goes; waits while it is on its way up. An AgentError says why it cannot go there,
   * and `signal` ends the wait with its reason.
   */
  target(assistantId: string, signal: AbortSignal): Promise<TurnTarget>
  /** What this assistant remembers; an AgentError when the host does not hold it. */
  conversation(assistantId: string, conversation: number): Conversation
  /** The runtime's `placeFile`. Also throws assistant_unknown. */
  placeFile(assistantId: string, path: string, sourceFile: string): Promise<void>
  /** The runtime's `archiveState`, while nothing else is done to the assistant. Also throws assistant_unknown. */
  archive(assistantId: string, destinationFile: string): Promise<Archive>
  /** The runtime's `restoreState`; afterwards the assistant is what the desired state says. */
  restore(assistantId: string, sourceFile: string, sha256: string): Promise<void>
  stop(): Promise<void>
}

export interface TurnTarget {
  url: string
  gatewayToken: string
}

const comingPollMs = 50

/** Compares desired with seen, one assistant at a time, and acts until they agree. Every step ends in a report. */
export function createReconciler(deps: {
  runtime: Runtime
  /** Most assistants that run here at once. */
  maxAssistants: number
  keys: KeyRing
  /** Hears of an assistant's first allowance before its key opens anything. */
  allowFirst?: (assistantId: string, remainingMicros: number) => void
  log: Logger
  now?: () => number
  crashes?: CrashSettings
  /** What the files of one assistant may take up, and how often that is measured; absent = without a bound. */
  disk?: { maxBytes: number; intervalMs: number }
}): Reconciler {
  const { runtime, keys, log } = deps
  const crashes = createCrashes(deps.crashes ?? defaultCrashes, deps.now ?? Date.now)
  const desired = new Map<string, AssistantSpec>()
  const seen = new Map<string, Seen & { running?: Running }>()
  const reports = new Map<string, Observed>()
  const lock = createKeyedLock()
  let stopped = false
  let heldStrays = 0
  let strays: 'unknown' | 'decided' = 'unknown'
  let report: ((observed: Observed) => void) | undefined

  runtime.onExit(
    (id, cause) =>
      void converge(id, () => {
        if (seen.get(id)?.phase === Phase.PHASE_READY) noteCrash(id, cause)
      }),
  )

  /** Plans and acts until there is nothing left to do; `first` runs under the same lock, before it. */
  function converge(id: string, first?: () => void): Promise<void> {
    return lock.run(id, async () => {
      first?.()
      while (!stopped) {
        const step = plan(desired.get(id), seen.get(id))
        if (step === 'none' || (step === 'start' && !crashes.mayStart(id))) return
        await act(id, step)
      }
    })
  }

  async function act(id: string, step: Exclude<Step, 'none'>): Promise<void> {
    const spec = desired.get(id)
    if (!spec) return
    log.info({ assistantId: id, generation: spec.generation, step }, 'assistant step')
    try {
      await perform(id, spec, step)
    } catch (error) {
      const cause =
        error instanceof AgentError
          ? { code: error.code, detail: error.detail }
          : { code: `${step}_failed`, detail: `The assistant did not ${step}.` }
      log.error({ assistantId: id, err: error }, 'assistant step failed')
      // It runs as it did, and would with every further try.
      if (step === 'apply' && error instanceof AgentError && !error.retryable) {
        const { running } = seen.get(id) ?? {}
        return settle(id, spec, Phase.PHASE_READY, { step: 'ready', running, cause, isRefused: true })
      }
      // One that came up before may come up again.
      const mayRetry = error instanceof AgentError && error.retryable
      if (step === 'start' && mayRetry && crashes.has(id)) return noteCrash(id, cause)
      settle(id, spec, Phase.PHASE_FAILED, { step: 'failed', cause })
    }
  }

  async function perform(id: string, spec: AssistantSpec, step: Exclude<Step, 'none'>): Promise<void> {
    switch (step) {
      case 'report': {
        const before = seen.get(id)
        return settle(id, spec, before?.phase ?? Phase.PHASE_UNSPECIFIED, { running: before?.running })
      }
      case 'start': {
        requireSlot(id)
        const goesDown = () => settle(id, spec, Phase.PHASE_STARTING, { step: 'restarting' })
        // One that serves goes on until it must end.
        const serves = seen.get(id)?.phase === Phase.PHASE_READY
        if (!serves) settle(id, spec, Phase.PHASE_STARTING, { step: 'starting' })
        const { refused, ...running } = await runtime.start(spec, goesDown)
        return settle(id, spec, Phase.PHASE_READY, {
          step: 'ready',
          running,
          cause: refused,
          isRefused: refused !== undefined,
        })
      }
      case 'apply': {
        await runtime.apply(spec)
        return settle(id, spec, Phase.PHASE_READY, { step: 'ready', running: seen.get(id)?.running })
      }
      case 'stop':
        await runtime.stop(id)
        return settle(id, spec, Phase.PHASE_STOPPED, { step: 'stopped' })
      case 'erase':
        await runtime.erase(spec)
        return settle(id, spec, Phase.PHASE_ABSENT, { step: 'erased' })
      default:
        assertNever(step)
    }
  }

  /** The control plane places no more than we said we take; this holds when it is wrong about that. */
  function requireSlot(id: string): void {
    const up = [...seen].filter(
      ([other, { phase }]) => other !== id && (phase === Phase.PHASE_READY || phase === Phase.PHASE_STARTING),
    )
    if (up.length >= deps.maxAssistants) {
      throw new AgentError('host_full', `This host runs its ${deps.maxAssistants} assistants already.`)
    }
  }

  /**
   * Nobody names it any more: it is stopped and forgotten. Its data stays, since only an explicit ABSENT erases. A
   * failure is only logged: nobody waits for a report.
   */
  async function retire(id: string): Promise<void> {
    await runtime
      .stop(id)
      .catch((error: unknown) => log.error({ assistantId: id, err: error }, 'retire failed'))
    forget(id)
  }

  function forget(id: string): void {
    seen.delete(id)
    reports.delete(id)
    crashes.forget(id)
    keys.dropAssistant(id)
  }

  function settle(
    id: string,
    spec: AssistantSpec,
    phase: Phase,
    more: { step?: string; cause?: Cause | undefined; running?: Running | undefined; isRefused?: boolean },
  ): void {
    const { running, isRefused = false } = more
    seen.set(id, { phase, applied: spec, refused: isRefused, ...(running && { running }) })
    const observed = Observed.create({
      assistantId: id,
      generation: spec.generation,
      phase,
      step: more.step ?? '',
      containerId: more.running?.containerId ?? '',
      ...(more.cause && { cause: more.cause }),
    })
    reports.set(id, observed)
    report?.(observed)
  }

  /** An end nobody asked for: started again after a while, until it keeps happening. */
  function noteCrash(id: string, cause?: Cause): void {
    const before = seen.get(id)
    if (!before) return
    const { count, isLoop } = crashes.note(id, () => void converge(id))
    if (!isLoop) {
      settle(id, before.applied, Phase.PHASE_STARTING, { step: 'restarting', cause })
      return
    }
    const detail = [`The assistant ended ${count} times in 10 minutes.`, cause?.detail].join(' ').trim()
    settle(id, before.applied, Phase.PHASE_FAILED, { step: 'failed', cause: { code: 'crash_loop', detail } })
  }

  /** Said, and nothing else is changed: what runs goes on as it does. */
  function refuse(spec: AssistantSpec, detail: string): void {
    const { assistantId, generation } = spec
    log.error({ assistantId, generation, detail }, 'bad spec')
    const cause = { code: 'bad_spec', detail }
    const phase = Phase.PHASE_FAILED
    const observed = Observed.create({ assistantId, generation, phase, step: 'failed', cause })
    reports.set(assistantId, observed)
    report?.(observed)
  }

  function accept(spec: AssistantSpec): void {
    const known = desired.get(spec.assistantId)
    if (known && known.generation > spec.generation) return
    const fault = faultOf(spec)
    if (fault !== undefined) {
      refuse(spec, fault)
      return
    }
    if (known && known.generation < spec.generation) crashes.forget(spec.assistantId)
    desired.set(spec.assistantId, spec)
    if (spec.allowance) deps.allowFirst?.(spec.assistantId, Number(spec.allowance.remainingMicros))
    const mayCall = spec.presence === Presence.PRESENCE_RUNNING
    keys.setAssistant(spec.assistantId, mayCall ? spec.virtualKey : '', spec.ownKeys)
    void converge(spec.assistantId)
  }

  /** Should run, and does not yet. */
  function isComing(id: string): boolean {
    const phase = seen.get(id)?.phase ?? Phase.PHASE_STARTING
    return desired.get(id)?.presence === Presence.PRESENCE_RUNNING && phase === Phase.PHASE_STARTING
  }

  function specOf(id: string): AssistantSpec {
    const spec = desired.get(id)
    if (spec) return spec
    throw new AgentError('assistant_unknown', 'This host does not hold the assistant.')
  }

  /** Now that it is known who should run, whoever else runs here should not. */
  async function endUnnamed(manyMayLeave: boolean): Promise<void> {
    for (const [id, { phase }] of seen) if (phase === Phase.PHASE_ABSENT && !desired.has(id)) forget(id)
    // What an agent before this one left is looked for until it is decided upon: after that, all that runs is known.
    const left = strays === 'decided' ? [] : await runtime.leftRunning()
    const present = new Set([...seen.keys(), ...desired.keys(), ...left])
    const unnamed = () => [...present].filter((id) => !desired.has(id))
    const leaving = unnamed().length
    const mayLeave = manyMayLeave || isFew(leaving, present.size)
    heldStrays = mayLeave ? 0 : leaving
    strays = mayLeave ? 'decided' : 'unknown'
    if (!mayLeave) {
      log.error(
        { leaving, present: present.size },
        'more assistants than may leave at once are not named: kept',
      )
      return
    }
    await Promise.all(unnamed().map((id) => lock.run(id, async () => desired.has(id) || (await retire(id)))))
  }

  /** Told at 80 %, stopped at 100 % (S2). */
  async function checkDisk(id: string, maxBytes: number): Promise<void> {
    const spec = desired.get(id)
    if (!spec || seen.get(id)?.phase !== Phase.PHASE_READY) return
    const { cause, mayRun } = judgeDisk(await runtime.diskUsed(spec), maxBytes)
    await lock.run(id, async () => {
      const before = seen.get(id)
      // What was refused is the more urgent news.
      if (before?.phase !== Phase.PHASE_READY || (mayRun && before.refused)) return
      if (mayRun && cause?.code === reports.get(id)?.cause?.code) return
      log.warn({ assistantId: id, cause: cause?.code }, 'an assistant’s use of disk')
      if (mayRun)
        return settle(id, before.applied, Phase.PHASE_READY, {
          step: 'ready',
          running: before.running,
          cause,
        })
      await runtime.stop(id)
      settle(id, before.applied, Phase.PHASE_FAILED, { step: 'failed', cause })
    })
  }

  async function checkDisks(maxBytes: number): Promise<void> {
    // One after the other: this is never urgent.
    for (const id of seen.keys()) {
      await checkDisk(id, maxBytes).catch((error: unknown) => {
        log.warn({ assistantId: id, err: error }, 'use of disk was not measured')
      })
    }
  }
  const { disk } = deps
  const diskChecks = disk && repeat(disk.intervalMs, () => checkDisks(disk.maxBytes))

  return {
    heldStrays: () => heldStrays,
    snapshot(assistants, sharedKeys, manyMayLeave = false) {
      keys.setShared(sharedKeys)
      const named = new Set(assistants.map((spec) => spec.assistantId))
      for (const id of desired.keys()) if (!named.has(id)) desired.delete(id)
      assistants.forEach(accept)
      endUnnamed(manyMayLeave).catch((error: unknown) =>
        log.error({ err: error }, 'what is not named was not ended'),
      )
    },
    delta: (assistants) => assistants.forEach(accept),
    observed: () => [...reports.values()],
    connect(send) {
      report = send
      for (const observed of reports.values()) send(observed)
      return () => {
        if (report === send) report = undefined
      }
    },
    async target(assistantId, signal) {
      while (isComing(assistantId)) {
        await pause(comingPollMs, signal)
        signal.throwIfAborted()
      }
      const { gatewayToken } = specOf(assistantId)
      const { running, applied } = seen.get(assistantId) ?? {}
      if (!running) {
        throw new AgentError('assistant_unreachable', 'The assistant is not running.', { retryable: true })
      }
      return { url: running.url, gatewayToken: applied?.gatewayToken ?? gatewayToken }
    },
    conversation: (assistantId, conversation) => runtime.conversation(specOf(assistantId), conversation),
    placeFile: async (assistantId, path, sourceFile) =>
      runtime.placeFile(specOf(assistantId), path, sourceFile),
    archive: (assistantId, destinationFile) =>
      lock.run(assistantId, () => runtime.archiveState(specOf(assistantId), destinationFile)),
    async restore(assistantId, sourceFile, sha256) {
      try {
        await lock.run(assistantId, async () => {
          seen.delete(assistantId)
          await runtime.restoreState(specOf(assistantId), sourceFile, sha256)
        })
      } finally {
        await converge(assistantId)
      }
    },
    async stop() {
      stopped = true
      await diskChecks?.stop()
      await lock.idle()
    },
  }
}
