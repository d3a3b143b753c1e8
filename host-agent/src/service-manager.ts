import { execFile } from 'node:child_process'
import type { AgentEnv } from './env.ts'

/** What systemd is told of us (sd_notify(3)); nothing where nobody listens. */
export interface ServiceManager {
  /** Started, and from now on alive: it restarts us when we stop saying so. */
  ready(): void
  /** One line, for `systemctl status`. */
  status(line: string): void
  stopping(): void
}

/**
 * Node has no datagrams over Unix sockets, so systemd's own program carries the words: the unit needs NotifyAccess=all.
 * Signs of life come from the event loop, three to each WatchdogSec, which a loop that hangs misses.
 */
export function createServiceManager(env: Pick<AgentEnv, 'NOTIFY_SOCKET' | 'WATCHDOG_USEC'>): ServiceManager {
  const say = (...words: string[]) => {
    if (env.NOTIFY_SOCKET === undefined) return
    // One that is lost is said again, or shows as a service that does not start; neither is ours to handle.
    execFile('systemd-notify', [`--pid=${process.pid}`, ...words], { timeout: 10_000 }, () => {})
  }
  let watchdog: NodeJS.Timeout | undefined
  return {
    ready() {
      say('--ready')
      if (env.WATCHDOG_USEC === undefined) return
      watchdog = setInterval(() => say('WATCHDOG=1'), env.WATCHDOG_USEC / 1000 / 3)
      watchdog.unref()
    },
    status: (line) => say(`--status=${line}`),
    stopping() {
      // A long drain is no hang: systemd's own stop timeout bounds it.
      say('STOPPING=1')
    },
  }
}
