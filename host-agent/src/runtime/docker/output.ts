import { setTimeout as pause } from 'node:timers/promises'
import type { Container } from 'dockerode'

/** True when a container prints what matches, at `sinceMs` or later; false at the end of `timeoutMs`. */
export async function printed(
  container: Container,
  pattern: RegExp,
  { sinceMs, timeoutMs }: { sinceMs: number; timeoutMs: number },
): Promise<boolean> {
  const since = (sinceMs / 1000).toFixed(3)
  const stream = await container.logs({ follow: true, stdout: true, stderr: true, since })
  const late = new AbortController()
  const found = new Promise<boolean>((resolve) => {
    let tail = ''
    // Frames have a binary head of eight bytes, which matches nothing.
    stream.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('latin1')).slice(-4_096)
      if (pattern.test(tail)) resolve(true)
    })
    stream.on('error', () => resolve(false))
    stream.on('end', () => resolve(false))
  })
  try {
    return await Promise.race([found, pause(timeoutMs, false, { signal: late.signal }).catch(() => false)])
  } finally {
    late.abort()
    if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy()
  }
}
