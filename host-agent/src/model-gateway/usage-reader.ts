import { StringDecoder } from 'node:string_decoder'
import { extractUsage, findProvider, type Usage } from '@pydantic/genai-prices'
import { createParser } from 'eventsource-parser'
import type { TokenUsage } from '../metering/usage.ts'
import type { Flavor } from './asked.ts'
import type { ProviderName } from './providers.ts'

/** What an answer said about its usage so far. */
export interface Reading {
  /** In the price list's own words; absent until the provider said something. */
  usage: Usage | undefined
  /** The provider's last word on it. */
  isFinal: boolean
  /** Text that came so far, in characters. */
  characters: number
}

/** Reads an answer beside its way to the caller; never throws, whatever it reads. */
export interface UsageReader {
  push(chunk: Buffer): void
  /** The answer has come to its end. */
  end(): void
  /** The provider has said its last word on usage, and no more will come. */
  isDone(): boolean
  /** Text that came so far, in characters. */
  characters(): number
  reading(): Reading
}

/** What is kept of an answer that is not a stream of events, or of one event: more is not read. */
const maxKeptBytes = 16 * 1024 * 1024

export function createUsageReader(
  provider: ProviderName,
  flavor: Flavor,
  contentType: string | undefined,
): UsageReader {
  let raw: Json | undefined
  let isFinal = false
  let isDone = false
  let characters = 0

  function take(event: Json): void {
    switch (flavor) {
      case 'messages': {
        const usage = json(json(event.message).usage ?? event.usage)
        if (Object.keys(usage).length > 0) raw = { ...raw, ...present(usage) }
        // Each of several deltas says the whole so far.
        if (event.type === 'message_delta' || event.type === 'message') isFinal = raw !== undefined
        if (event.type === 'message_stop') isDone = isFinal
        const delta = json(event.delta)
        characters += length(delta.text) + length(delta.thinking) + length(delta.partial_json)
        return
      }
      case 'chat': {
        if (event.usage) {
          raw = json(event.usage)
          isFinal = isDone = true
        }
        const delta = json(json(list(event.choices)[0]).delta)
        characters += length(delta.content) + length(delta.reasoning_content)
        for (const call of list(delta.tool_calls)) characters += length(json(json(call).function).arguments)
        return
      }
      case 'responses': {
        const usage = json(event.response).usage ?? event.usage
        if (usage) {
          raw = json(usage)
          isFinal = isDone = true
        }
        characters += length(event.delta)
        return
      }
      case 'generate': {
        const usage = json(event.usageMetadata)
        if (Object.keys(usage).length > 0) raw = { ...raw, ...present(usage) }
        const candidate = json(list(event.candidates)[0])
        for (const part of list(json(candidate.content).parts)) characters += length(json(part).text)
        // A refused prompt has no candidate, and is final too.
        if (raw && (candidate.finishReason !== undefined || event.promptFeedback !== undefined))
          isFinal = isDone = true
        return
      }
      case 'count':
      case 'search':
        return
      default:
        flavor satisfies never
    }
  }
  const takeText = (text: string) => {
    for (const event of parsed(text)) take(event)
  }

  const source = contentType?.includes('text/event-stream') ? eventsOf(takeText) : wholeOf(takeText)
  return {
    ...source,
    isDone: () => isDone,
    characters: () => characters,
    reading: () => ({ usage: raw && priced(provider, flavor, raw), isFinal, characters }),
  }
}

type Json = Record<string, unknown>
type Source = Pick<UsageReader, 'push' | 'end'>

function eventsOf(take: (text: string) => void): Source {
  const decoder = new StringDecoder('utf8')
  let unended = 0
  let isLost = false
  const parser = createParser({
    onEvent({ data }) {
      unended = 0
      if (data !== '[DONE]') take(data)
    },
  })
  return {
    push(chunk) {
      unended += chunk.length
      if (unended > maxKeptBytes) isLost = true
      if (!isLost) parser.feed(decoder.write(chunk))
    },
    end() {
      if (!isLost) parser.reset({ consume: true })
    },
  }
}

function wholeOf(take: (text: string) => void): Source {
  const chunks: Buffer[] = []
  let bytes = 0
  return {
    push(chunk) {
      bytes += chunk.length
      if (bytes <= maxKeptBytes) chunks.push(chunk)
      else chunks.length = 0
    },
    end() {
      if (bytes <= maxKeptBytes) take(Buffer.concat(chunks).toString('utf8'))
    },
  }
}

function parsed(text: string): Json[] {
  try {
    const value: unknown = JSON.parse(text)
    // Google streams without server-sent events as one array.
    return Array.isArray(value) ? value.map(json) : [json(value)]
  } catch {
    return []
  }
}

const flavors: Partial<Record<Flavor, string>> = { chat: 'chat', responses: 'responses' }

function priced(provider: ProviderName, flavor: Flavor, raw: Json): Usage | undefined {
  const priceList = findProvider({ providerId: provider })
  if (!priceList) return undefined
  const body = flavor === 'generate' ? { usageMetadata: raw } : { usage: raw }
  try {
    const answer = { ...body, model: '', modelVersion: '' }
    const { usage } = extractUsage(priceList, answer, flavors[flavor] ?? 'default')
    return isPlausible(usage) ? usage : undefined
  } catch {
    return undefined
  }
}

/** No model reads or says more in one call; beyond, a provider's figures are a mistake, and an estimate is nearer. */
const maxTokens = 10_000_000

/** What can be true, and be priced: parts are not more than their whole. */
function isPlausible(usage: Usage): boolean {
  const of = (name: string) => usage[name] ?? 0
  return (
    Object.values(usage).every((value) => value === undefined || (value >= 0 && value <= maxTokens)) &&
    of('cache_read_tokens') + of('cache_write_tokens') <= of('input_tokens') &&
    of('output_reasoning_tokens') <= of('output_tokens')
  )
}

export function tokensOf(usage: Usage): TokenUsage {
  const of = (name: string) => Math.max(0, Math.trunc(usage[name] ?? 0))
  return {
    input: of('input_tokens'),
    cached: of('cache_read_tokens'),
    cacheWrite: of('cache_write_tokens'),
    output: of('output_tokens'),
    reasoning: of('output_reasoning_tokens'),
  }
}

const json = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const length = (value: unknown) => (typeof value === 'string' ? value.length : 0)
const present = (value: Json) =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field != null))
