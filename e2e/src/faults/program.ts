import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { inherited, stopChild } from '../child.ts'

/** One of our programs in a process of its own, started again whenever it dies, as systemd would. */
export interface Program {
  /** How often it died without being asked to. */
  deaths(): number
  /** Its log lines so far, over all its lives. */
  lines: string[]
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
  /** SIGKILL; resolves once it is dead and on its way up again. */
  killAndWait(): Promise<void>
  stop(): Promise<void>
}

const restartDelayMs = 100

export function runProgram(input: { script: string; env: Record<string, string> }): Program {
  const lines: string[] = []
  let deaths = 0
  let stopping = false
  let child: ChildProcess
  let restart: NodeJS.Timeout | undefined

  function start(): void {
    child = spawn(process.execPath, [input.script], {
      env: { ...inherited, ...input.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => lines.push(line))
    }
    child.once('exit', () => {
      if (stopping) return
      deaths += 1
      restart = setTimeout(start, restartDelayMs)
    })
  }
  start()
  return {
    deaths: () => deaths,
    lines,
    kill: (signal) => void child.kill(signal),
    async killAndWait() {
      // Between two lives there is nothing to kill: the next one is waited for.
      while (child.exitCode !== null || child.signalCode !== null) await delay(restartDelayMs)
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      stopping = true
      clearTimeout(restart)
      await stopChild(child)
    },
  }
}
