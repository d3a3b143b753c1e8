import { offeredModels } from '../runtime/openclaw/models.ts'
import { Refusal } from './refusal.ts'

/** What kind of call it is: which of a provider's formats, `count` for a free one, `search` for web search. */
export type Flavor = 'messages' | 'chat' | 'responses' | 'generate' | 'count' | 'search'

/** What a call asks for, as far as money and limits go. */
export interface Asked {
  flavor: Flavor
  model: string
  isStreamed: boolean
  /** An upper guess: UTF-8 bytes of its text / 3, and a flat number for each picture or file. */
  inputTokens: number
  /** No tokenizer makes more of it: a token a byte, and all of what is fetched from elsewhere. */
  mostInputTokens: number
  /** The most it can be answered with; `statesMaxOutput` = it says so itself. */
  maxOutputTokens: number
  statesMaxOutput: boolean
  /** Among how many answers that is divided. */
  answers: number
}

export type Body = Record<string, unknown>

const bytesPerToken = 3
/** A picture is at most about 1,600 tokens at Anthropic, 1,105 at OpenAI (gpt-4o) and 258 a tile at Google. */
const pictureTokens = 3_000
/** A document's pages are counted as text and as pictures; more than so much does not fit most models. */
const maxBlobTokens = 30_000
/** Longer strings without a space are data, not words. */
const blobLength = 4_000
/** How base64 of JPEG, PNG, GIF and WebP begins. */
const isPicture = /^(?:data:image\/|\/9j\/|iVBORw|R0lGOD|UklGR)/
/** Anthropic's least budget, and what is left for words beside it. */
const leastThinking = 1_024
/** What a provider fetches itself may fill its context. */
const isElsewhere = /^(?:https?|gs):\/\/\S+$/i
const elsewhereTokens = 200_000
/** No model on offer reads more. */
const maxContextTokens = 1_100_000
/** What is answered at most where the call leaves it open, and the model is not known to answer less. */
const defaultMaxOutput = 32_768
const unknownMaxOutput = 8_192
/** A JSON text has at least so many bytes for each value: more of them than that are memory, not words. */
const maxValues = 2_000_000

const openOutput = (model: string) =>
  Math.min(defaultMaxOutput, offeredModels.find(({ id }) => id === model)?.maxTokens ?? unknownMaxOutput)

/** Reads a call from its path's model and its body. Refuses what is no JSON object or names no model. */
export function readAsked(
  flavor: Flavor,
  pathModel: string | undefined,
  bytes: Buffer,
  isSse: boolean,
): { asked: Asked; body: Body } {
  if (flavor === 'search') {
    const figures = {
      inputTokens: 0,
      mostInputTokens: 0,
      maxOutputTokens: 0,
      statesMaxOutput: true,
      answers: 1,
    }
    return { asked: { flavor, model: 'web-search', isStreamed: false, ...figures }, body: {} }
  }
  const body = parse(bytes)
  const model = pathModel ?? body.model
  if (typeof model !== 'string' || model === '' || model.length > 200) {
    throw new Refusal(400, 'invalid_request', 'The request names no model.')
  }
  const stated = statedMaxOutput(flavor, body)
  const answers = answersOf(flavor, body)
  const { guess, most } = estimateTokens(body, bytes.length)
  const asked = {
    flavor,
    model,
    isStreamed: flavor === 'generate' ? isSse : body.stream === true,
    inputTokens: guess,
    mostInputTokens: most,
    maxOutputTokens: flavor === 'count' ? 0 : (stated ?? openOutput(model)) * answers,
    statesMaxOutput: stated !== undefined || flavor === 'count',
    answers,
  }
  return { asked, body }
}

function parse(bytes: Buffer): Body {
  if (bytes.length > maxValues && valuesIn(bytes) > maxValues) {
    throw new Refusal(413, 'request_too_large', 'The request has too many parts.')
  }
  try {
    const body: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body
  } catch {
    // Said below.
  }
  throw new Refusal(400, 'invalid_request', 'The request is not a JSON object.')
}

/** At least as many as there are: each begins behind one of these. */
function valuesIn(bytes: Buffer): number {
  let values = 0
  for (const byte of bytes) if (byte === 0x2c || byte === 0x3a || byte === 0x5b || byte === 0x7b) values += 1
  return values
}

function estimateTokens(body: Body, length: number): { guess: number; most: number } {
  let bytes = 0
  let blobs = 0
  let elsewhere = 0
  // No recursion: how deep a body nests is up to the caller.
  const left: unknown[] = [body]
  for (let next = left.pop(); left.length > 0 || next !== undefined; next = left.pop()) {
    if (typeof next === 'string') {
      if (next.length > blobLength && !next.slice(0, blobLength).includes(' ')) {
        blobs += isPicture.test(next) ? pictureTokens : Math.min(next.length / bytesPerToken, maxBlobTokens)
      } else {
        bytes += Buffer.byteLength(next) + 2
        if (next.length < blobLength && isElsewhere.test(next)) elsewhere += elsewhereTokens
      }
    } else if (Array.isArray(next)) {
      for (const item of next) if (item !== undefined) left.push(item ?? 0)
    } else if (typeof next === 'object' && next !== null) {
      for (const [name, value] of Object.entries(next)) {
        bytes += name.length + 4
        left.push(value ?? 0)
      }
    } else bytes += 5
  }
  const most = Math.min(maxContextTokens, length + elsewhere)
  return { guess: Math.min(maxContextTokens, Math.ceil(bytes / bytesPerToken + blobs)), most }
}

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.ceil(value) : undefined

const objectOf = (value: unknown): Body =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : {}

function statedMaxOutput(flavor: Flavor, body: Body): number | undefined {
  const config = objectOf(body.generationConfig ?? body.generation_config)
  const named: Record<Flavor, unknown[]> = {
    messages: [body.max_tokens],
    chat: [body.max_completion_tokens, body.max_tokens],
    responses: [body.max_output_tokens],
    generate: [config.maxOutputTokens, config.max_output_tokens],
    count: [],
    search: [],
  }
  const stated = named[flavor].flatMap((value) => positive(value) ?? [])
  return stated.length > 0 ? Math.max(...stated) : undefined
}

function answersOf(flavor: Flavor, body: Body): number {
  const config = objectOf(body.generationConfig ?? body.generation_config)
  if (flavor === 'chat') return positive(body.n) ?? 1
  return flavor === 'generate' ? (positive(config.candidateCount ?? config.candidate_count) ?? 1) : 1
}

/**
 * The bytes of a call on the platform's key. Ours where the caller's would say the same differently: what was read, and
 * priced, is what is sent, whichever of two equal names a provider's parser takes. `maxOutputTokens` bounds the answer;
 * undefined for a format whose bound we do not know how to set.
 */
export function boundBytes(
  { flavor, statesMaxOutput, maxOutputTokens: open, answers }: Asked,
  body: Body,
  sent: Buffer,
  maxOutputTokens?: number,
): Buffer | undefined {
  if (flavor === 'search') return Buffer.alloc(0)
  const most = maxOutputTokens ?? (statesMaxOutput ? undefined : open)
  const bounded = most === undefined ? body : boundedBody(flavor, body, Math.floor(most / answers))
  if (!bounded) return undefined
  // Without it a streamed chat never says what it used.
  const asksUsage = flavor === 'chat' && body.stream === true
  const whole = asksUsage
    ? { ...bounded, stream_options: { ...objectOf(body.stream_options), include_usage: true } }
    : bounded
  const ours = Buffer.from(JSON.stringify(whole))
  return ours.equals(sent) ? sent : ours
}

function boundedBody(flavor: Flavor, body: Body, most: number): Body | undefined {
  switch (flavor) {
    case 'messages':
      return boundedMessage(body, most)
    case 'chat':
      return 'max_tokens' in body ? { ...body, max_tokens: most } : { ...body, max_completion_tokens: most }
    case 'responses':
      return { ...body, max_output_tokens: most }
    case 'generate': {
      const { generation_config: snake, generationConfig: camel, ...rest } = body
      const { max_output_tokens: _, ...config } = objectOf(camel ?? snake)
      return { ...rest, generationConfig: { ...config, maxOutputTokens: most } }
    }
    case 'count':
    case 'search':
      return undefined
    default:
      return flavor satisfies never
  }
}

/** Thinking may have a budget of its own, which must stay below the whole. */
function boundedMessage(body: Body, most: number): Body | undefined {
  const thinking = objectOf(body.thinking)
  const budget = positive(thinking.budget_tokens)
  if (budget === undefined) return { ...body, max_tokens: most }
  const left = Math.min(budget, most - leastThinking)
  if (left < leastThinking) return undefined
  return { ...body, max_tokens: most, thinking: { ...thinking, budget_tokens: left } }
}

/** What costs more than its tokens, or is charged where we cannot see it: not on the platform's keys. */
export function unmeterable({ flavor }: Asked, body: Body): boolean {
  const tools = Array.isArray(body.tools) ? body.tools.map(objectOf) : []
  const tier = body.service_tier ?? body.serviceTier
  if (tier !== undefined && !cheapTiers.includes(tier)) return true
  switch (flavor) {
    case 'messages':
      return (
        ['mcp_servers', 'container', 'speed', 'inference_geo'].some((name) => name in body) ||
        // Tools that the caller runs itself; whatever else has a type is run by the provider.
        tools.some(({ type }) => type !== undefined && !ownTools.test(String(type)))
      )
    case 'responses':
      return (
        body.background === true ||
        ['previous_response_id', 'conversation', 'prompt'].some((name) => name in body) ||
        tools.some(({ type }) => type !== 'function' && type !== 'custom')
      )
    case 'chat':
      return ['web_search_options', 'audio', 'modalities'].some((name) => name in body)
    case 'generate': {
      const config = objectOf(body.generationConfig ?? body.generation_config)
      const modalities = config.responseModalities ?? config.response_modalities ?? ['TEXT']
      return (
        // Two spellings of one name may say two things.
        ('generationConfig' in body && 'generation_config' in body) ||
        'cachedContent' in body ||
        'cached_content' in body ||
        ['speechConfig', 'speech_config', 'imageConfig', 'image_config'].some((name) => name in config) ||
        JSON.stringify(modalities) !== '["TEXT"]' ||
        tools.some((tool) =>
          Object.keys(tool).some(
            (name) => name !== 'functionDeclarations' && name !== 'function_declarations',
          ),
        )
      )
    }
    case 'count':
    case 'search':
      return false
    default:
      return flavor satisfies never
  }
}

const ownTools = /^(?:custom$|(?:bash|text_editor|computer|memory|tool_search_tool)_)/
const cheapTiers: unknown[] = [null, 'auto', 'default', 'standard', 'standard_only', 'flex']
