import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** The control plane's own deadline is 30 s. */
const stopDeadlineMs = 40_000

/** What a program of ours inherits of the environment; the rest it is told. */
export const inherited = { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR }

/** SIGTERM, also to a frozen one, and SIGKILL at the deadline; resolves when it is gone. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGCONT')
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs)
  await exited
  clearTimeout(force)
}
