import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { monotonicMs } from '../figures.ts'

// A gateway that says its first word at once and takes a while for the rest. PORT says where; GET /first-word?text=…
// answers when the first word of the answer to that text was written, on the clock that all processes share.

const restAfterMs = 150
const requestSchema = z.object({ messages: z.array(z.object({ content: z.string() })).min(1) })
const firstWords = new Map<string, number>()

const server = createServer(async (request, response) => {
  if (request.method !== 'POST') {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost')
    return void response.end(String(firstWords.get(searchParams.get('text') ?? '') ?? ''))
  }
  const { messages } = requestSchema.parse(await json(request))
  const text = messages.at(-1)?.content ?? ''
  const write = (more: object) =>
    response.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', ...more })}\n\n`)
  const say = (content: string) => write({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
  response.setHeader('content-type', 'text/event-stream')
  firstWords.set(text, monotonicMs())
  say('First')
  await pause(restAfterMs)
  say(', and the rest.')
  write({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  response.end('data: [DONE]\n\n')
})
server.listen(Number(process.env.PORT), '127.0.0.1')
process.once('SIGTERM', () => process.exit(0))
