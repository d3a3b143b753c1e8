import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import { z } from 'zod'
import { AgentError } from '../../errors.ts'
import { readConversation, writeConversation } from './conversation.ts'
import { askModel, type ModelUsage } from './model-client.ts'

/** What a test can make a fake assistant do wrong; changes work on the next request. */
export interface FakeFaults {
  /** The process ends when a turn reaches it. */
  crash?: boolean
  /** Takes a turn and never answers. */
  hang?: boolean
  /** Waits this long before it answers. */
  slowMs?: number
  /** Does not come up. */
  failStart?: boolean
}

export interface FakeGateway {
  url: string
  /** Read at each request, so that a change of model or key needs no restart. */
  spec: AssistantSpec
  close(): Promise<void>
}

const requestSchema = z.object({
  stream: z.literal(true),
  messages: z.array(z.object({ role: z.enum(['user', 'assistant']), content: z.string() })).min(1),
})

/** One assistant's gateway: chat completions in, its model's answer out, the conversation on disk between. */
export async function startFakeGateway(input: {
  spec: AssistantSpec
  configDir: string
  modelGatewayUrl: string
  faults: FakeFaults
  crashed: () => void
}): Promise<FakeGateway> {
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => fail(response, error))
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${gateway.spec.gatewayToken}`) {
      throw new AgentError('unauthorized', 'The gateway token is wrong.')
    }
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
      throw new AgentError('not_found', 'No such route.')
    }
    const { messages } = requestSchema.parse(await json(request))
    if (input.faults.crash) return input.crashed()
    if (input.faults.hang) return
    const left = new AbortController()
    response.once('close', () => left.abort())
    if (input.faults.slowMs) await new Promise((resolve) => setTimeout(resolve, input.faults.slowMs))
    // Without a session key every call is a conversation of its own.
    const keeps = typeof request.headers['x-openclaw-session-key'] === 'string'
    const conversation = [...(keeps ? await readConversation(input.configDir) : []), ...messages]
    const text = await stream(response, conversation, left.signal)
    if (keeps)
      await writeConversation(input.configDir, [...conversation, { role: 'assistant', content: text }])
    response.end('data: [DONE]\n\n')
  }

  async function stream(
    response: ServerResponse,
    conversation: z.infer<typeof requestSchema>['messages'],
    signal: AbortSignal,
  ) {
    const { virtualKey, model } = gateway.spec
    const usage: ModelUsage = { inputTokens: 0, outputTokens: 0 }
    let text = ''
    const ask = { gatewayUrl: input.modelGatewayUrl, virtualKey, model, conversation, signal }
    for await (const piece of askModel(ask)) {
      Object.assign(usage, piece.usage)
      if (piece.text === undefined) continue
      text += piece.text
      send(response, { choices: [{ index: 0, delta: { content: piece.text }, finish_reason: null }] })
    }
    const { inputTokens, outputTokens } = usage
    send(response, {
      choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
      usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens },
    })
    return text
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const gateway: FakeGateway = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spec: input.spec,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return gateway
}

function send(response: ServerResponse, chunk: object): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', ...chunk })}\n\n`)
}

function fail(response: ServerResponse, error: unknown): void {
  const code = error instanceof AgentError ? error.code : 'internal'
  const message = error instanceof AgentError ? error.detail : String(error)
  const body = JSON.stringify({ error: { code, message } })
  if (response.headersSent) return void response.end(`data: ${body}\n\n`)
  const status = { unauthorized: 401, not_found: 404, model_error: 502 }[code] ?? 500
  response.writeHead(status, { 'content-type': 'application/json' }).end(body)
}
