import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from 'hono'
import { z } from 'zod'
import type { Env } from '../faults.ts'
import { type Answer, ModelError } from './brain.ts'

/** Message content as all three providers write it: text, or parts of which some carry text. */
export const content = z.union([
  z.string(),
  z.null().transform(() => ''),
  z.array(z.looseObject({ type: z.string().optional(), text: z.string().optional() })),
])
type Content = z.infer<typeof content>

export function textOf(value: Content | undefined): string {
  if (value === undefined || typeof value === 'string') return value ?? ''
  return value.flatMap((part) => (part.text === undefined ? [] : [part.text])).join('\n')
}

/** What OpenClaw adds to a conversation for the model alone, as text of the user. */
const internalContext =
  /<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>[\s\S]*?(?:<<<END_OPENCLAW_INTERNAL_CONTEXT>>>|$)/g

/** It also writes the time before what a person said. */
const timestamp = /^\s*\[[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d[^\]\n]*\]\s*/

/** The newest text that a person wrote, of the contents of the user's messages, oldest first. */
export function lastUserText(contents: (Content | undefined)[]): string {
  const texts = contents.map((content) =>
    textOf(content).replace(internalContext, '').replace(timestamp, '').trim(),
  )
  return texts.findLast((text) => text !== '') ?? ''
}

/** @throws ModelError 400 with the first thing that is wrong */
export async function readBody<T>(
  c: Context<Env>,
  schema: z.ZodType<T>,
): Promise<{ body: unknown; input: T }> {
  const body: unknown = await c.req.json().catch(() => {
    throw new ModelError(400, 'The request body is not valid JSON.')
  })
  const parsed = schema.safeParse(body)
  if (parsed.success) return { body, input: parsed.data }
  const issue = parsed.error.issues[0]
  throw new ModelError(400, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`)
}

export const bearerOf = (c: Context<Env>) => (c.req.header('authorization') ?? '').replace(/^Bearer\s+/i, '')

export interface ServerSentEvent {
  event?: string
  data: object | string
}

/**
 * Server-sent events, one write each, so that clients see a stream and not a block. `faults` says what goes wrong on
 * the way, `failure` how this provider says so in the middle of a stream.
 */
export function eventStream(
  events: ServerSentEvent[],
  { stream: faults }: Pick<Answer, 'stream'>,
  failure: ServerSentEvent,
): Response {
  const encoder = new TextEncoder()
  const planned = faults.errorAfter === undefined ? events : [...events.slice(0, faults.errorAfter), failure]
  const waiting = planned.slice(0, faults.cutAfter).values()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (faults.chunkDelayMs) await sleep(faults.chunkDelayMs)
      const next = waiting.next()
      if (next.done && faults.cutAfter !== undefined) return controller.error(new Error('cut as scripted'))
      if (next.done) return controller.close()
      const { event, data } = next.value
      const text = typeof data === 'string' ? data : JSON.stringify(data)
      controller.enqueue(encoder.encode(`${event ? `event: ${event}\n` : ''}data: ${text}\n\n`))
    },
  })
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' },
  })
}
