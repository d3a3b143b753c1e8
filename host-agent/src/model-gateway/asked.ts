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
  /** The most it can be answered with. */
  maxOutputTokens: number
  body: Body
}

export type Body = Record<string, unknown>

const bytesPerToken = 3
/** A picture is at most about 1,600 tokens at Anthropic, 1,105 at OpenAI (gpt-4o) and 258 a tile at Google. */
const blobTokens = 3_000
/** Longer strings without a space are data, not words. */
const blobLength = 4_000
/** No model on offer answers with more unless it is asked to. */
const defaultMaxOutput = 32_768

/** Reads a call from its path's model and its body. Refuses what is no JSON object or names no model. */
export function readAsked(
  flavor: Flavor,
  pathModel: string | undefined,
  bytes: Buffer,
  isSse: boolean,
): Asked {
  if (flavor === 'search') {
    const model = 'web-search'
    return { flavor, model, isStreamed: false, inputTokens: 0, maxOutputTokens: 0, body: {} }
  }
  const body = parse(bytes)
  const model = pathModel ?? body.model
  if (typeof model !== 'string' || model === '' || model.length > 200) {
    throw new Refusal(400, 'invalid_request', 'The request names no model.')
  }
  return {
    flavor,
    model,
    isStreamed: flavor === 'generate' ? isSse : body.stream === true,
    inputTokens: estimateTokens(body),
    maxOutputTokens: maxOutputOf(flavor, body) * answersOf(flavor, body),
    body,
  }
}

function parse(bytes: Buffer): Body {
  try {
    const body: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body
  } catch {
    // Said below.
  }
  throw new Refusal(400, 'invalid_request', 'The request is not a JSON object.')
}

function estimateTokens(body: Body): number {
  let bytes = 0
  let blobs = 0
  // No recursion: how deep a body nests is up to the caller.
  const left: unknown[] = [body]
  for (let next = left.pop(); left.length > 0 || next !== undefined; next = left.pop()) {
    if (typeof next === 'string') {
      if (next.length > blobLength && !next.slice(0, blobLength).includes(' ')) blobs += 1
      else bytes += Buffer.byteLength(next) + 2
    } else if (Array.isArray(next)) {
      for (const item of next) if (item !== undefined) left.push(item ?? 0)
    } else if (typeof next === 'object' && next !== null) {
      for (const [name, value] of Object.entries(next)) {
        bytes += name.length + 4
        left.push(value ?? 0)
      }
    } else bytes += 5
  }
  return Math.ceil(bytes / bytesPerToken) + blobs * blobTokens
}

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.ceil(value) : undefined

const objectOf = (value: unknown): Body =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : {}

function maxOutputOf(flavor: Flavor, body: Body): number {
  const config = objectOf(body.generationConfig ?? body.generation_config)
  const named: Record<Flavor, unknown> = {
    messages: body.max_tokens,
    chat: body.max_completion_tokens ?? body.max_tokens,
    responses: body.max_output_tokens,
    generate: config.maxOutputTokens ?? config.max_output_tokens,
    count: 0,
    search: 0,
  }
  return positive(named[flavor]) ?? defaultMaxOutput
}

function answersOf(flavor: Flavor, body: Body): number {
  const config = objectOf(body.generationConfig ?? body.generation_config)
  if (flavor === 'chat') return positive(body.n) ?? 1
  return flavor === 'generate' ? (positive(config.candidateCount ?? config.candidate_count) ?? 1) : 1
}

/** The same call with less to answer, as bytes; for a format whose bound we do not know how to set, undefined. */
export function withMaxOutput({ flavor, body }: Asked, maxOutputTokens: number): Buffer | undefined {
  const changed = boundedBody(flavor, body, maxOutputTokens)
  return changed && Buffer.from(JSON.stringify(changed))
}

function boundedBody(flavor: Flavor, body: Body, most: number): Body | undefined {
  switch (flavor) {
    case 'messages':
      // Thinking has a budget of its own, which must stay below the whole.
      return 'thinking' in body ? undefined : { ...body, max_tokens: most }
    case 'chat':
      return 'max_tokens' in body ? { ...body, max_tokens: most } : { ...body, max_completion_tokens: most }
    case 'responses':
      return { ...body, max_output_tokens: most }
    case 'generate':
      return { ...body, generationConfig: { ...objectOf(body.generationConfig), maxOutputTokens: most } }
    case 'count':
    case 'search':
      return undefined
    default:
      return flavor satisfies never
  }
}

/** What costs more than tokens, or is charged where we cannot see it: not on the platform's keys. */
export function unmeterable({ flavor, body }: Asked): boolean {
  const tools = Array.isArray(body.tools) ? body.tools.map(objectOf) : []
  const tier = body.service_tier ?? body.serviceTier
  if (tier !== undefined && !cheapTiers.includes(tier)) return true
  switch (flavor) {
    case 'messages':
      // Tools that the provider runs itself are versioned by date; those that the caller runs are plain or client tools.
      return (
        'mcp_servers' in body ||
        'container' in body ||
        'speed' in body ||
        tools.some(({ type }) => typeof type === 'string' && /^(web_|code_execution|mcp|advisor)/.test(type))
      )
    case 'responses':
      return (
        body.background === true ||
        'previous_response_id' in body ||
        'conversation' in body ||
        tools.some(({ type }) => type !== 'function' && type !== 'custom')
      )
    case 'chat':
      return 'web_search_options' in body || 'audio' in body
    case 'generate':
      return (
        'cachedContent' in body ||
        'cached_content' in body ||
        tools.some((tool) =>
          Object.keys(tool).some(
            (name) => name !== 'functionDeclarations' && name !== 'function_declarations',
          ),
        )
      )
    case 'count':
    case 'search':
      return false
    default:
      return flavor satisfies never
  }
}

const cheapTiers: unknown[] = [null, 'auto', 'default', 'standard', 'standard_only', 'flex']
