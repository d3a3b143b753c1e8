import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { AgentError } from '../../errors.ts'
import type { Places } from './config.ts'

export interface GatewayProcess {
  pid: number
  url: string
  /** Resolves when it has ended, for whatever reason. */
  ended: Promise<void>
  /** Resolves with true when a line that matches is printed after this call; false at the end of `timeoutMs`. */
  printed(pattern: RegExp, timeoutMs: number): Promise<boolean>
  /** Asks it to end, and makes it after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
}

const readyDeadlineMs = 90_000
/** Idle assistants must stay small; the default heap grows with the machine. */
const heapMegabytes = 384

/** Starts one OpenClaw gateway; `ready` waits for it. Nothing of the agent's environment is passed on but the path. */
export function spawnGateway(input: { entry: string; places: Places; port: number }): GatewayProcess {
  const { home, workspace } = input.places
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${heapMegabytes}`, input.entry, 'gateway', 'run'],
    {
      cwd: workspace,
      // A group of its own: what its tools started ends with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        LANG: 'C.UTF-8',
        HOME: home,
        // Its pid is how it is found again: it must not hand over to a child.
        OPENCLAW_NO_RESPAWN: '1',
      },
    },
  )
  const watchers = new Set<(line: string) => void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      for (const watcher of watchers) watcher(line)
    })
  }
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const pid = child.pid
  if (pid === undefined) throw new AgentError('start_failed', 'The gateway could not be started.')

  return {
    pid,
    url: `http://127.0.0.1:${input.port}`,
    ended,
    async printed(pattern, timeoutMs) {
      const seen = Promise.withResolvers<boolean>()
      const watcher = (line: string) => pattern.test(line) && seen.resolve(true)
      watchers.add(watcher)
      const late = setTimeout(() => seen.resolve(false), timeoutMs)
      const found = await Promise.race([seen.promise, ended.then(() => false)])
      clearTimeout(late)
      watchers.delete(watcher)
      return found
    },
    async stop(deadlineMs) {
      await endGroup(pid, deadlineMs, ended)
    },
  }
}

/** Resolves once the gateway serves turns. */
export async function ready(gateway: GatewayProcess): Promise<void> {
  let over = false
  gateway.ended.then(() => {
    over = true
  })
  const deadline = Date.now() + readyDeadlineMs
  while (Date.now() < deadline) {
    if (over)
      throw new AgentError('start_failed', 'The gateway ended before it was ready.', { retryable: true })
    const response = await fetch(`${gateway.url}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(
      () => undefined,
    )
    await response?.body?.cancel()
    if (response?.ok) return
    await pause(150)
  }
  throw new AgentError('start_timeout', 'The gateway was not ready in time.', { retryable: true })
}

/** SIGTERM to the gateway, which finishes what it does; SIGKILL to all of its group once it ended or is late. */
export async function endGroup(pid: number, deadlineMs: number, ended: Promise<void>): Promise<void> {
  signal(pid, 'SIGTERM')
  const late = new AbortController()
  await Promise.race([ended, pause(deadlineMs, undefined, { signal: late.signal }).catch(() => {})])
  late.abort()
  signal(-pid, 'SIGKILL')
  await ended
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Nobody there is what was asked for.
  }
}

/** A port of loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
