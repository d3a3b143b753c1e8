import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

export const modelProviders = ['anthropic', 'openai', 'gemini'] as const
export type ModelProvider = (typeof modelProviders)[number]

/** A model of another provider, or a name that is none, is refused as the provider would. */
const families: Record<ModelProvider, RegExp> = {
  anthropic: /^claude/,
  openai: /^(gpt|chatgpt|o\d)/,
  gemini: /^gemini/,
}

const tokens = z.int().min(0)
export const scriptInput = z.object({
  provider: z.enum(modelProviders).optional(),
  /** Case-insensitive part of the last user message. */
  match: z.string().optional(),
  reply: z.string().default(''),
  delayMs: z.number().min(0).optional(),
  /** A status, or a message (status 500), or both. */
  error: z
    .union([
      z.int().min(400).max(599),
      z.string(),
      z.object({ status: z.int().min(400).max(599), message: z.string() }),
    ])
    .optional(),
  /** Asked for once; after the tools' results the model says `reply`. */
  toolCalls: z
    .array(z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()).default({}) }))
    .optional(),
  /** What goes wrong once the answer streams. */
  stream: z
    .object({
      /** A pause before each event. */
      chunkDelayMs: z.number().min(0).optional(),
      /** The connection breaks after so many events. */
      cutAfter: z.int().min(0).optional(),
      /** The provider's error event comes after so many, and nothing else. */
      errorAfter: z.int().min(0).optional(),
    })
    .optional(),
  usage: z.object({ inputTokens: tokens.optional(), outputTokens: tokens.optional() }).optional(),
  /** Answers so often and is gone; absent = until the reset. */
  times: z.int().min(1).optional(),
})
export type Script = z.infer<typeof scriptInput>

export interface Usage {
  inputTokens: number
  outputTokens: number
}

export interface ToolCall {
  id: string
  name: string
  arguments: Record<string, unknown>
}

export interface Answer {
  id: string
  stream: NonNullable<Script['stream']>
  text: string
  toolCalls: ToolCall[]
  usage: Usage
}

/** What each protocol reads out of its own request body. */
export interface Question {
  provider: ModelProvider
  model: string
  path: string
  key: string
  body: unknown
  lastUserText: string
  /** The conversation ends with the results of tools. */
  afterTools: boolean
}

export interface ModelRequest {
  provider: ModelProvider
  model: string
  path: string
  key: string
  body: unknown
  usage: Usage | null
  at: string
}

/** A refusal; each protocol puts it into its own error body. */
export class ModelError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'ModelError'
    this.status = status
  }
}

/** What stands in for every model: it answers from scripts, or echoes, and remembers what it was asked. */
export class Brain {
  readonly requests: ModelRequest[] = []
  /** What every recording says from now on. */
  heard: string | undefined
  #scripts: Script[] = []
  #answers = 0

  script(script: Script): void {
    this.#scripts.unshift(script)
  }

  clear(): void {
    this.#scripts = []
    this.requests.length = 0
    this.heard = undefined
  }

  /** Speech to text: what is said is scripted, or how long the recording is. */
  hear({ model, bytes, path, key }: { model: string; bytes: number; path: string; key: string }): string {
    this.requests.push({
      provider: 'openai',
      model,
      path,
      key,
      body: { bytes },
      usage: null,
      at: new Date().toISOString(),
    })
    return this.heard ?? `A recording of ${bytes} bytes.`
  }

  /** @throws ModelError for a missing or invalid key and for scripted errors */
  async answer(question: Question, signal: AbortSignal): Promise<Answer> {
    const { lastUserText, afterTools, ...asked } = question
    const request: ModelRequest = { ...asked, usage: null, at: new Date().toISOString() }
    this.requests.push(request)
    requireKey(question.key)
    if (!families[question.provider].test(question.model))
      throw new ModelError(404, `model: ${question.model}`)
    const script = this.#take(question)
    if (script?.delayMs) {
      await sleep(script.delayMs, undefined, { signal }).catch(() => {
        throw new ModelError(499, 'The client went away.')
      })
    }
    if (script?.error !== undefined) throw scriptedError(script.error)
    this.#answers += 1
    const id = `sandbox${this.#answers}`
    const toolCalls = (afterTools ? [] : (script?.toolCalls ?? [])).map((call, index) => ({
      id: `call_${id}_${index}`,
      ...call,
    }))
    const text = script ? (toolCalls.length > 0 ? '' : script.reply) : lastUserText
    request.usage = {
      inputTokens: script?.usage?.inputTokens ?? countTokens(JSON.stringify(question.body)),
      outputTokens: script?.usage?.outputTokens ?? countTokens(text),
    }
    return { id, stream: script?.stream ?? {}, text, toolCalls, usage: request.usage }
  }

  /** The newest script that fits; one with `times` is used up by it. */
  #take(question: Question): Script | undefined {
    const script = this.#scripts.find((candidate) => fits(candidate, question))
    if (script?.times !== undefined) {
      script.times -= 1
      if (script.times === 0) this.#scripts = this.#scripts.filter((other) => other !== script)
    }
    return script
  }
}

/** Any key will do, except one that says it will not, and the virtual ones that must never get here. */
export function requireKey(key: string): void {
  if (key === '' || /invalid|^yc-/i.test(key)) throw new ModelError(401, 'invalid x-api-key')
}

/** Four characters a token: near enough to be plausible, and the same every time. */
export const countTokens = (text: string) => Math.max(1, Math.ceil(text.length / 4))

/** Pieces of a few words, as a stream brings them; joined they are the text. */
export const pieces = (text: string): string[] => text.match(/[\s\S]{1,24}(?=\s|$)|[\s\S]{1,24}/gu) ?? []

function fits(script: Script, question: Question): boolean {
  if (script.provider && script.provider !== question.provider) return false
  return question.lastUserText.toLowerCase().includes((script.match ?? '').toLowerCase())
}

function scriptedError(error: NonNullable<Script['error']>): ModelError {
  if (typeof error === 'number') return new ModelError(error, 'Scripted error')
  if (typeof error === 'string') return new ModelError(500, error)
  return new ModelError(error.status, error.message)
}
