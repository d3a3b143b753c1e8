import { once } from 'node:events'
import type { ServerDuplexStream } from '@grpc/grpc-js'

/** Writes and, when the other side reads slower than we write, waits until it caught up or is gone. */
export async function writeTo<In, Out>(call: ServerDuplexStream<In, Out>, message: Out): Promise<void> {
  if (call.cancelled || call.destroyed || call.writableEnded) return
  if (call.write(message)) return
  const gone = new AbortController()
  const leave = () => gone.abort()
  call.once('cancelled', leave)
  call.once('close', leave)
  try {
    await once(call, 'drain', { signal: gone.signal })
  } catch (error) {
    if (!gone.signal.aborted) throw error
  } finally {
    call.off('cancelled', leave)
    call.off('close', leave)
  }
}
