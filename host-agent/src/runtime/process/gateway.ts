import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { AgentError } from '../../errors.ts'
import type { Places } from '../openclaw/config.ts'
import { isRunning, type Note } from './notes.ts'

export interface GatewayProcess {
  pid: number
  url: string
  /** Resolves when it has ended, for whatever reason. */
  ended: Promise<void>
  /**
   * Marks where its output stands. What is returned resolves with true when a match was printed after that; false at
   * the end of `timeoutMs`.
   */
  listen(): (pattern: RegExp, timeoutMs: number) => Promise<boolean>
  /** Holds all of its group still, until `resume`. */
  pause(): void
  resume(): void
  /** Asks it to end, and makes it after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>
}

/** Idle assistants must stay small; the default heap grows with the machine. */
const heapMegabytes = 384

/**
 * Starts one OpenClaw gateway; `ready` waits for it. It outlives an agent that dies: it leads its own process group and
 * prints to a file. Nothing of the agent's environment is passed on but the path.
 */
export function spawnGateway(input: { entry: string; places: Places; port: number }): GatewayProcess {
  const { home, workspace } = input.places
  mkdirSync(dirname(outputPath(home)), { recursive: true, mode: 0o700 })
  const output = openSync(outputPath(home), 'w', 0o600)
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${heapMegabytes}`, input.entry, 'gateway', 'run'],
    {
      cwd: workspace,
      // A group of its own: what its tools started ends with it.
      detached: true,
      stdio: ['ignore', output, output],
      env: {
        PATH: process.env.PATH,
        LANG: 'C.UTF-8',
        HOME: home,
        // Its pid is how it is found again: it must not hand over to a child.
        OPENCLAW_NO_RESPAWN: '1',
      },
    },
  )
  closeSync(output)
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  if (child.pid === undefined) throw new AgentError('start_failed', 'The gateway could not be started.')
  return gatewayOf(child.pid, input.port, home, ended)
}

/** A gateway that an agent before this one started. */
export function adoptGateway(note: Note): GatewayProcess {
  const gateway = gatewayOf(note.pid, note.port, note.home, gone(note))
  // That agent may have died while it held it still.
  gateway.resume()
  return gateway
}

async function gone(note: Note): Promise<void> {
  while (await isRunning(note)) await pause(200)
}

function gatewayOf(pid: number, port: number, home: string, ended: Promise<void>): GatewayProcess {
  return {
    pid,
    url: `http://127.0.0.1:${port}`,
    ended,
    listen() {
      const path = outputPath(home)
      const before = statSync(path).size
      return async (pattern, timeoutMs) => {
        const deadline = Date.now() + timeoutMs
        let over = false
        void ended.then(() => {
          over = true
        })
        while (!over && Date.now() < deadline) {
          if (pattern.test((await readFile(path)).toString('utf8', before))) return true
          await pause(50)
        }
        return false
      }
    },
    pause: () => signal(-pid, 'SIGSTOP'),
    resume: () => signal(-pid, 'SIGCONT'),
    async stop(deadlineMs) {
      await endGroup(pid, deadlineMs, ended)
    },
  }
}

/** What it prints, from its start on; its own log is beside it. */
const outputPath = (home: string) => join(home, '.openclaw', 'logs', 'output.log')

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
