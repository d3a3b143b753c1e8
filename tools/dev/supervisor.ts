/**
 * Keeps a set of child processes alive.
 *
 * A child is: starting → running → (died → waiting → starting …) until stop(), after which nothing is started again.
 * Each child leads a process group of its own, so that what it spawned stops with it and a Ctrl-C in the terminal
 * reaches only us: we decide the order in which things stop.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

export interface ChildSpec {
  name: string
  command: string
  args: string[]
  cwd: string
  /** The whole environment; asked anew at every start. */
  env: () => Promise<NodeJS.ProcessEnv>
  /** True once the child does its work; polled at its first start. */
  isHealthy: () => Promise<boolean>
}

export interface SupervisorOptions {
  print: (line: string) => void
  /** Wait before the first restart; doubles with each death in a row. */
  firstBackoffMs?: number
  maxBackoffMs?: number
  /** A child that lived this long starts its backoff afresh. */
  steadyAfterMs?: number
  healthTimeoutMs?: number
  healthIntervalMs?: number
  /** From SIGTERM to SIGKILL: more than the agent takes to let running turns finish and its gateways stop. */
  stopTimeoutMs?: number
}

export interface Supervisor {
  /** Resolves once the child is healthy; rejects when it is not in time, or when stop() came first. */
  start(spec: ChildSpec): Promise<void>
  /** Stops all children, last started first. Idempotent. */
  stop(): Promise<void>
}

interface Kept {
  spec: ChildSpec
  process: ChildProcess | undefined
  /** Resolves when the keeping loop has ended, and the child with it. */
  ended: Promise<void>
}

/** EX_CONFIG of sysexits.h: trying again with the same settings would end the same way. */
const badSettings = 'exit code 78'

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { print, firstBackoffMs = 500, maxBackoffMs = 15_000, steadyAfterMs = 30_000 } = options
  const { healthTimeoutMs = 90_000, healthIntervalMs = 200, stopTimeoutMs = 60_000 } = options
  const kept: Kept[] = []
  const stopping = new AbortController()
  let stopped: Promise<void> | undefined

  async function keep(child: Kept, refused: (error: Error) => void): Promise<void> {
    let backoffMs = firstBackoffMs
    while (!stopping.signal.aborted) {
      const startedAt = performance.now()
      const how = await runOnce(child)
      if (stopping.signal.aborted) return
      if (how === badSettings)
        return refused(new Error(`${child.spec.name} refuses its settings; the lines above name them.`))
      if (performance.now() - startedAt >= steadyAfterMs) backoffMs = firstBackoffMs
      print(`${child.spec.name} died (${how}); it is started again in ${backoffMs / 1000} s`)
      await delay(backoffMs, undefined, { signal: stopping.signal }).catch(ignoreAbort)
      backoffMs = Math.min(backoffMs * 2, maxBackoffMs)
    }
  }

  /** Resolves with how the child ended, in words. */
  async function runOnce(child: Kept): Promise<string> {
    const { spec } = child
    let env: NodeJS.ProcessEnv
    try {
      env = await spec.env()
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    if (stopping.signal.aborted) return 'not started'
    const running = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.process = running
    for (const stream of [running.stdout, running.stderr]) {
      createInterface({ input: stream }).on('line', (line) => print(`[${spec.name}] ${line}`))
    }
    const how = await new Promise<string>((resolve) => {
      running.once('error', (error) => resolve(error.message))
      running.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    child.process = undefined
    // What the child left behind in its group would hold its ports.
    signalGroup(running, 'SIGKILL')
    return how
  }

  async function waitUntilHealthy(spec: ChildSpec): Promise<void> {
    const deadline = performance.now() + healthTimeoutMs
    while (!(await spec.isHealthy())) {
      if (performance.now() > deadline)
        throw new Error(`${spec.name} did not come up in ${healthTimeoutMs / 1000} s`)
      await delay(healthIntervalMs, undefined, { signal: stopping.signal }).catch(ignoreAbort)
      if (stopping.signal.aborted) throw new Error(`${spec.name} was stopped before it came up`)
    }
  }

  async function stopOne(child: Kept): Promise<void> {
    const running = child.process
    if (running !== undefined) {
      signalGroup(running, 'SIGTERM')
      const timer = setTimeout(() => {
        print(`${child.spec.name} did not stop in ${stopTimeoutMs / 1000} s and is killed`)
        signalGroup(running, 'SIGKILL')
      }, stopTimeoutMs)
      await child.ended
      clearTimeout(timer)
    }
    await child.ended
  }

  async function stopAll(): Promise<void> {
    stopping.abort()
    for (const child of kept.toReversed()) await stopOne(child)
  }

  return {
    async start(spec) {
      if (stopping.signal.aborted) throw new Error(`${spec.name} was stopped before it came up`)
      const child: Kept = { spec, process: undefined, ended: Promise.resolve() }
      const refused = Promise.withResolvers<never>()
      child.ended = keep(child, refused.reject)
      kept.push(child)
      await Promise.race([waitUntilHealthy(spec), refused.promise])
    },
    stop() {
      stopped ??= stopAll()
      return stopped
    },
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    // ESRCH: the whole group is gone already, which is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error
}
