import { createHash } from 'node:crypto'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { HandOverControl, HandOverEvent, HandOverOpen } from '@yourclaw/proto/host/v1'
import { traceIdOf } from '@yourclaw/telemetry'
import { z } from 'zod'
import { invalidInput, ServiceError, staleEpoch } from '../errors.ts'
import type { Spoken } from '../services/speech/take-spoken.ts'
import type { FleetDeps } from './deps.ts'
import type { Session } from './session.ts'
import { writeTo } from './stream.ts'

/** An agent hands nothing over to a control plane that does not say this of itself. */
export const handOverCapability = 'hand-over'

/** A file may be large and its line slow; what stands still for so long is given up. */
const patienceMs = 5 * 60_000
/** As much as an assistant's own answer may be. */
const maxTextLength = 100_000

type Call = ServerDuplexStream<HandOverEvent, HandOverControl>

const openSchema = z.object({
  messageId: z.string().min(1).max(100),
  assistantId: z.uuid(),
  turnId: z.uuid().or(z.literal('')),
  text: z.string().max(maxTextLength),
  traceParent: z.string().max(100),
})

/**
 * Carries one message of an assistant's own: HandOverOpen → chunks → HandOverDone → HandOverStored or HandOverRefused.
 * The next chunk is read when the last one is written, so HTTP/2 flow control holds an agent back that is faster.
 */
export async function relayHandOver(
  deps: FleetDeps,
  call: Call,
  session: Session | undefined,
): Promise<void> {
  const events = call[Symbol.asyncIterator]() as AsyncIterator<HandOverEvent>
  const first = await events.next()
  const open = first.done ? undefined : first.value.body
  if (open?.$case !== 'open') throw invalidInput('The first message is HandOverOpen.')
  if (!session || open.open.sessionEpoch !== session.epoch) throw staleEpoch()
  const gone = new AbortController()
  call.once('cancelled', () => gone.abort())
  const stalled = setTimeout(() => gone.abort(new Error('nothing moved any more')), patienceMs)
  const chunks = fileFrom(events, open.open.file?.bytes ?? 0n, () => stalled.refresh())
  const answer = await take(deps, session.hostId, open.open, chunks, gone.signal).finally(() =>
    clearTimeout(stalled),
  )
  const { messageId, assistantId, traceParent } = open.open
  const code = answer?.$case === 'refused' ? answer.refused.cause?.code : undefined
  deps.ctx.log.info({ messageId, assistantId, code, traceId: traceIdOf(traceParent) }, 'message handed over')
  await writeTo(call, { body: answer })
}

async function take(
  deps: FleetDeps,
  hostId: string,
  open: HandOverOpen,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<HandOverControl['body']> {
  const parsed = openSchema.safeParse(open)
  if (!parsed.success) return refused('malformed_message', 'This is not a message that can be sent.')
  const { messageId: key, assistantId, turnId, text, traceParent } = parsed.data
  const spoken: Spoken = {
    hostId,
    key,
    assistantId,
    text,
    turnId: turnId === '' ? null : turnId,
    traceParent: traceParent === '' ? null : traceParent,
    ...(open.file && { file: { name: open.file.name, sizeBytes: Number(open.file.bytes), bytes } }),
  }
  if (!spoken.file && text.trim() === '') return refused('malformed_message', 'There is nothing in it.')
  try {
    const taken = await deps.speech.take({ spoken, signal })
    return taken.outcome === 'stored' ? { $case: 'stored', stored: {} } : refused(taken.code, taken.detail)
  } catch (error) {
    // What is wrong with the file stays wrong; whatever else breaks is tried again.
    if (error instanceof ServiceError && !error.retryable && error.status !== 401)
      return refused(error.code, error.detail)
    throw error
  }
}

const refused = (code: string, detail: string): HandOverControl['body'] => ({
  $case: 'refused',
  refused: { cause: { code, detail } },
})

/** Throws unless they add up to what HandOverDone says; `onEvent` hears of each that comes. */
async function* fileFrom(
  events: AsyncIterator<HandOverEvent>,
  expected: bigint,
  onEvent: () => void,
): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256')
  let bytes = 0n
  for (let next = await events.next(); !next.done; next = await events.next()) {
    onEvent()
    const { body } = next.value
    switch (body?.$case) {
      case 'chunk':
        bytes += BigInt(body.chunk.length)
        digest.update(body.chunk)
        yield body.chunk
        break
      case 'done':
        if (bytes !== expected || body.done.sha256 !== digest.digest('hex'))
          throw invalidInput('The file did not arrive whole.', 'file_damaged')
        return
    }
  }
  throw new Error('the stream ended before the file did')
}
