import { setTimeout as pause } from 'node:timers/promises'
import { PlatformMessageNotDispatchedError } from 'openclaw/plugin-sdk/error-runtime'
import type { OpenFile } from './file.ts'
import type { Settings } from './settings.ts'

/** The host agent waits a while for what became of a message before it answers. */
const answerMs = 30_000
/** A host agent that restarts is away for seconds; after that OpenClaw keeps the message and tries again. */
const patienceMs = 30_000
const pauseMs = 1_000

export interface Message {
  /** The same for every attempt: the host agent takes it once. */
  id: string
  text: string
}

/**
 * Posts one message: a line of JSON, and the bytes of its file after it. Throws what the model should read, when it was
 * refused, and what lets OpenClaw try again, when it could not be posted.
 */
export async function post(
  settings: Settings,
  message: Message,
  file: OpenFile | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      return await attempt(settings, message, file, signal)
    } catch (error) {
      if (error instanceof Refused) throw error
      if (signal?.aborted || Date.now() > deadline)
        throw new PlatformMessageNotDispatchedError('The message could not be handed on yet.', {
          cause: error,
        })
    }
    await pause(pauseMs, undefined, { ...(signal && { signal }) }).catch(() => {})
  }
}

/** For good: trying again would not help. */
class Refused extends Error {}

async function attempt(
  settings: Settings,
  message: Message,
  file: OpenFile | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { name, bytes } = file ?? {}
  async function* body() {
    yield Buffer.from(`${JSON.stringify({ ...message, ...(file && { file: { name, bytes } }) })}\n`)
    if (file) yield* file.read()
  }
  const request: RequestInit & { duplex: 'half' } = {
    method: 'POST',
    headers: { authorization: `Bearer ${settings.token}`, 'content-type': 'application/octet-stream' },
    body: ReadableStream.from(body()),
    duplex: 'half',
    signal: AbortSignal.any([AbortSignal.timeout(answerMs), ...(signal ? [signal] : [])]),
  }
  const response = await fetch(settings.url, request)
  const answer = (await response.json()) as { id?: string; error?: { message?: string } }
  if (response.ok) return answer.id ?? message.id
  const words = answer.error?.message ?? `The message was not taken (${response.status}).`
  throw response.status === 429 || response.status >= 500 ? new Error(words) : new Refused(words)
}
