import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

const stopDeadlineMs = 30_000

/**
 * A command in a process group of its own, its output passed on. `line(pattern, ms)` resolves with the first line,
 * past or future, that matches; it rejects when there is none in time or the command ends before.
 */
export function startCommand(command, { cwd, env = process.env }) {
  const child = spawn('/bin/sh', ['-c', command], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines = []
  const waiting = new Set()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => {
      console.log(`      ${text}`)
      lines.push(text)
      for (const look of waiting) look()
    })
  }
  const exited = new Promise((resolve) => child.once('exit', () => resolve('exited')))

  function signal(name) {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
  async function line(pattern, ms) {
    let look
    const found = new Promise((resolve) => {
      look = () => {
        const match = lines.find((text) => pattern.test(text))
        if (match !== undefined) resolve(match)
      }
    })
    waiting.add(look)
    look()
    const outcome = await Promise.race([found, exited, delay(ms)])
    waiting.delete(look)
    if (outcome === 'exited') throw new Error(`it ended before it printed ${pattern}`)
    if (outcome === undefined) throw new Error(`it did not print ${pattern} within ${ms / 1000} s`)
    return outcome
  }
  /** Asks it to end and waits; what does not is killed, and that is an error. */
  async function stop() {
    signal('SIGTERM')
    if ((await Promise.race([exited, delay(stopDeadlineMs, 'late')])) !== 'late') return
    signal('SIGKILL')
    throw new Error(`it still ran ${stopDeadlineMs / 1000} s after SIGTERM`)
  }
  return { lines, line, stop }
}
