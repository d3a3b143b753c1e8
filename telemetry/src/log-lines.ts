import { isatty } from 'node:tty'

/**
 * How `pino.destination` writes a process's log lines: gathered, since each write of its own wakes a thread, and in the
 * order of some 100 ms or 4 kB. Its exit writes the rest, be it by `process.exit` or by an exception; a kill loses it.
 * Whoever watches a terminal or looks for a fault gets each line at once.
 */
export function logLines(level: string) {
  const atOnce = isatty(1) || level === 'debug' || level === 'trace'
  return atOnce ? { sync: false } : { sync: false, minLength: 4096, periodicFlush: 100 }
}
