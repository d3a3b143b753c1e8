import { EventSourceParserStream } from 'eventsource-parser/stream'
import { z } from 'zod'
import { AgentError } from '../../errors.ts'
import type { Messages } from './conversation.ts'

interface Ask {
  gatewayUrl: string
  virtualKey: string
  /** provider/name */
  model: string
  conversation: Messages
  /** Of the newest message, as data: addresses. */
  pictures: string[]
  signal: AbortSignal
}

export interface ModelUsage {
  inputTokens: number
  outputTokens: number
}

/** Yields the pieces of the model's answer; the last yield may carry usage. Fails with model_error. */
export async function* askModel(ask: Ask): AsyncGenerator<{ text?: string; usage?: Partial<ModelUsage> }> {
  const slash = ask.model.indexOf('/')
  const name = ask.model.slice(slash + 1)
  switch (ask.model.slice(0, slash)) {
    case 'anthropic':
      return yield* askAnthropic(ask, name)
    case 'openai':
      return yield* askOpenAi(ask, name)
    case 'google':
      return yield* askGoogle(ask, name)
    default:
      throw new AgentError('model_error', `There is no provider for ${ask.model}.`)
  }
}

/** The conversation as a provider takes it: `part` writes a picture of the newest message. */
function withPictures({ conversation, pictures }: Ask, part: (mediaType: string, data: string) => object) {
  const last = conversation.at(-1)
  if (!last || pictures.length === 0) return conversation
  const parts = pictures.map((url) => {
    const [, mediaType = '', data = ''] = /^data:([^;]+);base64,(.*)$/.exec(url) ?? []
    return part(mediaType, data)
  })
  return [
    ...conversation.slice(0, -1),
    { ...last, content: [{ type: 'text', text: last.content }, ...parts] },
  ]
}

const anthropicEvent = z.object({
  type: z.string(),
  message: z.object({ usage: z.object({ input_tokens: z.number() }).optional() }).optional(),
  delta: z.object({ text: z.string().optional() }).optional(),
  usage: z.object({ output_tokens: z.number() }).optional(),
  error: z.object({ message: z.string() }).optional(),
})

async function* askAnthropic(ask: Ask, model: string) {
  const headers = { 'x-api-key': ask.virtualKey, 'anthropic-version': '2023-06-01' }
  const messages = withPictures(ask, (media_type, data) => ({
    type: 'image',
    source: { type: 'base64', media_type, data },
  }))
  const body = { model, max_tokens: 4096, stream: true, messages }
  for await (const data of events(await post(ask, '/anthropic/v1/messages', headers, body))) {
    const event = anthropicEvent.parse(JSON.parse(data))
    if (event.error) throw new AgentError('model_error', event.error.message, { retryable: true })
    if (event.delta?.text) yield { text: event.delta.text }
    if (event.message?.usage) yield { usage: { inputTokens: event.message.usage.input_tokens } }
    if (event.usage) yield { usage: { outputTokens: event.usage.output_tokens } }
  }
}

const openAiChunk = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }).optional() })).default([]),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
})

async function* askOpenAi(ask: Ask, model: string) {
  const headers = { authorization: `Bearer ${ask.virtualKey}` }
  const messages = withPictures(ask, (mediaType, data) => ({
    type: 'image_url',
    image_url: { url: `data:${mediaType};base64,${data}` },
  }))
  const body = { model, stream: true, stream_options: { include_usage: true }, messages }
  for await (const data of events(await post(ask, '/openai/v1/chat/completions', headers, body))) {
    if (data === '[DONE]') return
    const chunk = openAiChunk.parse(JSON.parse(data))
    const text = chunk.choices[0]?.delta?.content
    if (text) yield { text }
    const usage = chunk.usage
    if (usage) yield { usage: { inputTokens: usage.prompt_tokens, outputTokens: usage.completion_tokens } }
  }
}

const googleAnswer = z.object({
  candidates: z
    .array(z.object({ content: z.object({ parts: z.array(z.object({ text: z.string().optional() })) }) }))
    .default([]),
  usageMetadata: z
    .object({ promptTokenCount: z.number().default(0), candidatesTokenCount: z.number().default(0) })
    .optional(),
})

async function* askGoogle(ask: Ask, model: string) {
  const contents = ask.conversation.map((message) => ({
    role: message.role === 'assistant' ? 'model' : 'user',
    parts: [{ text: message.content }],
  }))
  const path = `/google/v1beta/models/${encodeURIComponent(model)}:generateContent`
  const response = await post(ask, path, { 'x-goog-api-key': ask.virtualKey }, { contents })
  const answer = googleAnswer.parse(await response.json())
  const text = answer.candidates[0]?.content.parts.map((part) => part.text ?? '').join('') ?? ''
  if (text) yield { text }
  const usage = answer.usageMetadata
  if (usage)
    yield { usage: { inputTokens: usage.promptTokenCount, outputTokens: usage.candidatesTokenCount } }
}

async function post(
  ask: Ask,
  path: string,
  headers: Record<string, string>,
  body: unknown,
): Promise<Response> {
  const response = await fetch(ask.gatewayUrl + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: ask.signal,
  })
  if (response.ok) return response
  const detail = `The model answered ${response.status}: ${(await response.text()).slice(0, 300)}`
  throw new AgentError('model_error', detail, {
    retryable: response.status >= 500 || response.status === 429,
  })
}

async function* events(response: Response): AsyncGenerator<string> {
  if (!response.body) throw new AgentError('model_error', 'The model sent no answer.', { retryable: true })
  const stream = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  for await (const event of stream) yield event.data
}
