import { type IncomingMessage, request } from 'node:http'
import type { TurnInput, Usage } from '@yourclaw/proto/host/v1'
import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import { AgentError } from '../errors.ts'
import type { TurnTarget } from '../reconcile/reconciler.ts'
import type { HandedOver } from './turn-files.ts'

const errorSchema = z.object({
  error: z.object({ code: z.string().nullish(), type: z.string().nullish(), message: z.string() }),
})
const chunkSchema = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }).optional() })).default([]),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
})

/** An answer longer than this is a runaway, in characters. */
const maxAnswerLength = 1_000_000
/** A tenant's gateway may send anything: no more is kept of one event, or of a refusal, in characters. */
const maxEventLength = 4_000_000
const maxRefusalLength = 64_000

/**
 * Asks an assistant's gateway and calls `onText` with each piece of the answer. Aborting `signal` closes the request,
 * which ends the assistant's run; the abort's reason is thrown. Other failures are AgentErrors.
 */
export async function complete(input: {
  target: TurnTarget
  sessionKey: string
  turn: TurnInput
  /** What came with the newest messages. */
  files?: HandedOver
  signal: AbortSignal
  onText: (text: string) => void
}): Promise<{ usage: Usage | undefined }> {
  try {
    return await readAnswer(await post(input), input.onText)
  } catch (error) {
    if (input.signal.aborted) throw input.signal.reason
    if (error instanceof AgentError) throw error
    throw new AgentError('gateway_error', 'The answer of the assistant broke off.', {
      cause: error,
      retryable: true,
    })
  }
}

type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } }

/**
 * History first, for a conversation that was lost; then the user's new messages as one, since a turn answers all, with
 * their pictures behind the words.
 */
export function toMessages(
  turn: TurnInput,
  { images, missing }: HandedOver = { images: [], missing: [] },
): { role: 'user' | 'assistant'; content: string | Part[] }[] {
  const lines = [
    ...turn.messages.map((message) => message.text),
    ...missing.map((path) => `[${path} could not be handed over. Tell the user to send it again.]`),
  ]
  const text = lines.join('\n')
  const pictures = images.map((url): Part => ({ type: 'image_url', image_url: { url } }))
  return [
    ...turn.history.map(({ fromAssistant, text }) => ({
      role: fromAssistant ? ('assistant' as const) : ('user' as const),
      content: text,
    })),
    { role: 'user', content: pictures.length === 0 ? text : [{ type: 'text', text }, ...pictures] },
  ]
}

/** Not fetch: that gives up a body which is silent for five minutes, and a model may think longer (the signal ends it). */
function send(input: Parameters<typeof complete>[0]): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${input.target.gatewayToken}`,
    'x-openclaw-session-key': input.sessionKey,
    'x-openclaw-message-channel': 'yourclaw',
  }
  const options = { method: 'POST', headers, signal: input.signal }
  const call = request(`${input.target.url}/v1/chat/completions`, options, resolve)
  call.on('error', reject)
  const messages = toMessages(input.turn, input.files)
  call.end(
    JSON.stringify({ model: 'openclaw', stream: true, stream_options: { include_usage: true }, messages }),
  )
  return promise
}

async function post(input: Parameters<typeof complete>[0]): Promise<IncomingMessage> {
  let response: IncomingMessage
  try {
    response = await send(input)
  } catch (error) {
    throw new AgentError('assistant_unreachable', 'The assistant did not answer.', {
      cause: error,
      retryable: true,
    })
  }
  const status = response.statusCode ?? 502
  if (status === 200) return response
  throw toError(await start(response), status)
}

/** Whoever stops early closes the request. */
async function start(response: IncomingMessage): Promise<string> {
  let body = ''
  for await (const piece of response.setEncoding('utf8')) {
    body += piece
    if (body.length > maxRefusalLength) break
  }
  return body
}

async function readAnswer(response: IncomingMessage, onText: (text: string) => void) {
  let length = 0
  let usage: Usage | undefined
  for await (const data of events(response)) {
    if (data === '[DONE]') return { usage }
    const parsed: unknown = JSON.parse(data)
    if (errorSchema.safeParse(parsed).success) throw toError(data, 502)
    const chunk = chunkSchema.parse(parsed)
    const piece = chunk.choices[0]?.delta?.content
    if (piece) onText(piece)
    length += piece?.length ?? 0
    if (length > maxAnswerLength) throw new AgentError('gateway_error', 'The answer is too long.')
    if (chunk.usage) {
      const { prompt_tokens, completion_tokens } = chunk.usage
      usage = { inputTokens: BigInt(prompt_tokens), outputTokens: BigInt(completion_tokens) }
    }
  }
  throw new AgentError('gateway_error', 'The answer ended before its end.', { retryable: true })
}

/** The data of each event. Whoever stops early closes the request. */
async function* events(response: IncomingMessage): AsyncGenerator<string> {
  const said: string[] = []
  const parser = createParser({ onEvent: ({ data }) => said.push(data), maxBufferSize: maxEventLength })
  for await (const piece of response.setEncoding('utf8')) {
    parser.feed(piece)
    yield* said.splice(0)
  }
}

/** A gateway says model_error itself; anything else it says is its own failure. Its words may quote the user (S8). */
function toError(body: string, status: number): AgentError {
  let said: z.infer<typeof errorSchema>['error'] | undefined
  try {
    said = errorSchema.safeParse(JSON.parse(body)).data?.error
  } catch {
    // A body that is no JSON says no more than its status.
  }
  const code = [said?.code, said?.type].includes('model_error') ? 'model_error' : 'gateway_error'
  const detail = code === 'model_error' ? 'The model did not answer.' : `The assistant answered ${status}.`
  return new AgentError(code, detail, { retryable: status >= 500 || status === 429 })
}
