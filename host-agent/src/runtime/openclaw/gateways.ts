import { availableParallelism } from 'node:os'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import pLimit from 'p-limit'
import { AgentError } from '../../errors.ts'
import type { Cause, Running, Runtime, Started } from '../runtime.ts'
import { reloaded } from './config.ts'
import { answersReady } from './ready.ts'

/** One gateway that runs, as its runtime holds it. */
export interface Gateway extends Running {
  /** Resolves when it has ended, with the reason where that is known. */
  ended: Promise<Cause | undefined>
  /** False when only a new process can be what the spec asks for. */
  fits(spec: AssistantSpec): boolean
  /** Puts what the spec asks for where the gateway reads it; false when its config stood there already. */
  write(spec: AssistantSpec): Promise<boolean>
  /** Gives it the spec's limits, where the runtime has any. Not retryable = it cannot have them, and keeps its own. */
  bound?(spec: AssistantSpec): Promise<void>
  /** Marks where its output stands now. What is returned resolves with whether a match was printed after that. */
  listen(): (pattern: RegExp, timeoutMs: number) => Promise<boolean>
  /** Ends it at once. */
  kill(): Promise<void>
  /** Lets go of what the agent holds for it. */
  release(): Promise<void>
}

export interface Brought {
  gateway: Gateway
  /** Why it is not what the spec asks for, but what was there before. */
  refused?: Cause
}

/** How a runtime gets gateways and gets rid of them. */
export interface Launcher {
  /** Takes over what an agent before this one left running; undefined when there is nothing, or nothing worth having. */
  adopt(spec: AssistantSpec): Promise<Brought | undefined>
  /** Resolves once it serves turns. */
  launch(spec: AssistantSpec): Promise<Gateway>
  /** A new process in the place of one that cannot be what the spec asks for; `goesDown` is called before it ends. */
  replace(spec: AssistantSpec, old: Gateway, goesDown: () => void): Promise<Brought>
  /** Ends what is the assistant's, the gateway known here or not; a turn that runs has `seconds` to finish. */
  end(assistantId: string, gateway: Gateway | undefined, time: { seconds: number }): Promise<void>
}

/** When a gateway that does not answer counts as hung: after that many looks in a row. */
export interface Health {
  intervalMs: number
  misses: number
}
const defaultHealth: Health = { intervalMs: 15_000, misses: 4 }

interface Live {
  gateway: Gateway
  /** False when the gateway did not say that it took up its config as it stands. */
  inEffect: boolean
  /** Nothing in it moves, so that it cannot answer. */
  isHeld: boolean
  misses: number
  hung?: Cause
}

/**
 * OpenClaw finishes a running turn first, and gives it 315 s (its docs, gateway/restart-recovery); an idle one ends
 * within seconds. What is cut off is taken up again (M15).
 */
export const turnSeconds = 320
const reloadDeadlineMs = 15_000

/** A start takes some seconds of a processor: more at once than there are would only make all of them late. */
export const createStartLimit = () => pLimit(availableParallelism())

/** What would be refused again leaves a gateway as it is. */
async function refusalOf(change: Promise<void>): Promise<Cause | undefined> {
  try {
    await change
    return undefined
  } catch (error) {
    if (!(error instanceof AgentError) || error.retryable) throw error
    return { code: error.code, detail: error.detail }
  }
}

/** The OpenClaw gateways that an agent runs: what all runtimes of real ones do alike. */
export function createGateways({
  launcher,
  health = defaultHealth,
}: {
  launcher: Launcher
  health?: Health | undefined
}) {
  const live = new Map<string, Live>()
  let exited: Parameters<Runtime['onExit']>[0] = () => {}

  /** An end that `stop` did not ask for is told to the reconciler, which starts it again. */
  function track(assistantId: string, gateway: Gateway): Live {
    const one: Live = { gateway, inEffect: true, isHeld: false, misses: 0 }
    live.set(assistantId, one)
    void gateway.ended.then(async (cause) => {
      if (live.get(assistantId) !== one) return
      live.delete(assistantId)
      await gateway.release()
      exited(assistantId, one.hung ?? cause)
    })
    return one
  }

  async function bringUp(spec: AssistantSpec): Promise<Cause | undefined> {
    const { assistantId } = spec
    const adopted = await launcher.adopt(spec)
    if (adopted) {
      const one = track(assistantId, adopted.gateway)
      try {
        // The spec may have changed meanwhile, and the model gateway may have another address.
        return adopted.refused ?? (await refusalOf(update(one, spec)))
      } catch (error) {
        if (!(error instanceof AgentError)) throw error
      }
      await stop(assistantId)
    }
    track(assistantId, await launcher.launch(spec))
    return undefined
  }

  async function replace(spec: AssistantSpec, old: Gateway, goesDown: () => void) {
    // What happens to the old one from now on is not for `onExit`.
    live.delete(spec.assistantId)
    try {
      const { gateway, refused } = await launcher.replace(spec, old, goesDown)
      track(spec.assistantId, gateway)
      return refused
    } catch (error) {
      await old.release()
      throw error
    }
  }

  /** Resolves once the next turn meets the new model, token and addresses. */
  async function update(one: Live, spec: AssistantSpec): Promise<void> {
    const prints = one.gateway.listen()
    const changed = await one.gateway.write(spec)
    if (changed || !one.inEffect) one.inEffect = await prints(reloaded, reloadDeadlineMs)
    if (!one.inEffect) {
      throw new AgentError('apply_failed', 'The gateway did not take up its new config.', { retryable: true })
    }
    // Last: limits that are refused keep nobody from another model.
    await one.gateway.bound?.(spec)
  }

  async function apply(spec: AssistantSpec): Promise<void> {
    const one = live.get(spec.assistantId)
    if (!one) return
    try {
      await update(one, spec)
    } catch (error) {
      // One that ended is told by `onExit`, and started again with the new config.
      if (live.get(spec.assistantId) === one) throw error
    }
  }

  async function stop(assistantId: string, seconds = turnSeconds): Promise<void> {
    const gateway = live.get(assistantId)?.gateway
    live.delete(assistantId)
    await launcher.end(assistantId, gateway, { seconds })
  }

  /** Whoever calls keeps it still, or does not any more. */
  function hold(assistantId: string, isHeld: boolean): void {
    const one = live.get(assistantId)
    if (one) one.isHeld = isHeld
  }

  async function look(one: Live): Promise<void> {
    if (one.isHeld || one.hung) return
    const answers = await answersReady(one.gateway.url)
    one.misses = answers || one.isHeld ? 0 : one.misses + 1
    if (one.misses < health.misses) return
    const seconds = Math.round((health.misses * health.intervalMs) / 1000)
    one.hung = { code: 'hung', detail: `Its gateway did not answer for ${seconds} seconds.` }
    await one.gateway.kill()
  }

  const looking = setInterval(() => {
    for (const one of live.values()) void look(one).catch(() => {})
  }, health.intervalMs)
  looking.unref()

  return {
    async start(spec: AssistantSpec, goesDown: () => void = () => {}): Promise<Started> {
      const one = live.get(spec.assistantId)
      let refused: Cause | undefined
      if (!one) refused = await bringUp(spec)
      else if (one.inEffect && one.gateway.fits(spec)) refused = await refusalOf(apply(spec))
      else refused = await replace(spec, one.gateway, goesDown)
      const running = live.get(spec.assistantId)?.gateway
      if (!running) throw new AgentError('start_failed', 'The gateway ended at once.', { retryable: true })
      return { containerId: running.containerId, url: running.url, ...(refused && { refused }) }
    },
    apply,
    stop,
    hold,
    /** Does it while whoever calls keeps the gateway still. */
    async whileHeld<T>(assistantId: string, work: () => Promise<T>): Promise<T> {
      hold(assistantId, true)
      try {
        return await work()
      } finally {
        hold(assistantId, false)
      }
    },
    has: (assistantId: string) => live.has(assistantId),
    all: () => [...live].map(([assistantId, { gateway }]) => ({ assistantId, gateway })),
    onExit(listener: typeof exited) {
      exited = listener
    },
    close: () => clearInterval(looking),
  }
}
