import { createServer } from 'node:http'

// A provider that answers at once, in Anthropic's stream; `anthropic-beta: chunks-N` asks for so many pieces. PORT says where.

const event = (data: { type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
const piece = event({
  type: 'content_block_delta',
  ...{ index: 0, delta: { type: 'text_delta', text: 'a few words of it ' } },
})
const usage = { input_tokens: 20, output_tokens: 1 }
const start = event({ type: 'message_start', ...{ message: { usage } } })
const end =
  event({
    type: 'message_delta',
    ...{ delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 900 } },
  }) + event({ type: 'message_stop' })

const server = createServer((request, response) => {
  const chunks = Number(String(request.headers['anthropic-beta']).split('-')[1])
  request.resume()
  request.once('end', async () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(start)
    for (let sent = 0; sent < chunks; sent += 1) {
      if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve))
    }
    response.end(end)
  })
})
server.listen(Number(process.env.PORT), '127.0.0.1')
process.once('SIGTERM', () => process.exit(0))
