import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { z } from 'zod'

// A gateway that answers at once: what is left is the cost of everything around it. PORT says where.

const requestSchema = z.object({
  stream: z.boolean().default(false),
  messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
})

const server = createServer(async (request, response) => {
  if (request.method !== 'POST') return void response.end()
  const { stream, messages } = requestSchema.parse(await json(request))
  const content = `Re: ${messages.at(-1)?.content}`
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
  if (!stream) {
    const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ object: 'chat.completion', choices: [choice], usage }))
    return
  }
  const chunk = (more: object) => `data: ${JSON.stringify({ object: 'chat.completion.chunk', ...more })}\n\n`
  response.setHeader('content-type', 'text/event-stream')
  response.write(chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }))
  response.write(chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage }))
  response.end('data: [DONE]\n\n')
})
server.listen(Number(process.env.PORT), '127.0.0.1')
process.once('SIGTERM', () => process.exit(0))
