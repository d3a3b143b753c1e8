import { once } from 'node:events'
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import type { OperationControl, OperationEvent, OperationOpen } from '@yourclaw/proto/host/v1'

/**
 * Says what an operation has to say on its stream, no faster than it is read, and resolves once it is stored. Rejects
 * when the stream breaks or `signal` aborts.
 */
export async function handOver(
  call: ClientDuplexStream<OperationEvent, OperationControl>,
  open: OperationOpen,
  events: AsyncGenerator<OperationEvent['body']>,
  signal: AbortSignal,
): Promise<void> {
  const stored = Promise.withResolvers<void>()
  const over = new AbortController()
  call.on('data', ({ body }: OperationControl) => {
    if (body?.$case === 'stored') stored.resolve()
  })
  call.on('error', (error: ServiceError) => stored.reject(error))
  call.on('end', () => stored.reject(new Error('the stream ended before the result was stored')))
  const leave = () => {
    call.cancel()
    stored.reject(signal.reason)
  }
  signal.addEventListener('abort', leave)
  stored.promise.catch(() => over.abort())
  const say = async () => {
    if (!call.write({ body: { $case: 'open', open } })) await once(call, 'drain', { signal: over.signal })
    for await (const body of events) {
      over.signal.throwIfAborted()
      if (!call.write({ body })) await once(call, 'drain', { signal: over.signal })
    }
  }
  try {
    if (signal.aborted) leave()
    await Promise.all([say().catch((error: unknown) => stored.reject(error)), stored.promise])
    call.end()
  } finally {
    signal.removeEventListener('abort', leave)
    // Only once nothing is written any more is there nothing left to remove.
    await events.return(undefined)
  }
}
