import { once } from 'node:events'
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'

/** The largest piece of a file on a stream, in bytes. */
export const chunkBytes = 256 * 1024

/**
 * Says what there is to say on a stream, no faster than it is read, and resolves with what is answered to it. Rejects
 * when the stream breaks or `signal` aborts.
 */
export async function handOver<Event, Control, Result>(input: {
  call: ClientDuplexStream<Event, Control>
  events: AsyncGenerator<Event>
  /** Undefined = not the last word. */
  resultOf: (control: Control) => Result | undefined
  signal: AbortSignal
}): Promise<Result> {
  const { call, events, signal } = input
  const answered = Promise.withResolvers<Result>()
  const over = new AbortController()
  call.on('data', (control: Control) => {
    const result = input.resultOf(control)
    if (result === undefined) return
    answered.resolve(result)
    // What was not asked for any more is not said.
    over.abort()
  })
  call.on('error', (error: ServiceError) => answered.reject(error))
  call.on('end', () => answered.reject(new Error('the stream ended before the result was stored')))
  const leave = () => {
    call.cancel()
    answered.reject(signal.reason)
  }
  signal.addEventListener('abort', leave)
  answered.promise.catch(() => over.abort())
  const say = async () => {
    for await (const event of events) {
      if (over.signal.aborted) return
      if (!call.write(event)) await once(call, 'drain', { signal: over.signal })
    }
  }
  try {
    if (signal.aborted) leave()
    await Promise.all([
      say().catch((error: unknown) => {
        if (!over.signal.aborted) answered.reject(error)
      }),
      answered.promise,
    ])
    return await answered.promise
  } finally {
    call.end()
    signal.removeEventListener('abort', leave)
    // Only once nothing is written any more is there nothing left to remove.
    await events.return(undefined)
  }
}
