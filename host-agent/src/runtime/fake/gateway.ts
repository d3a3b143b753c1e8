import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import { z } from 'zod'
import { AgentError } from '../../errors.ts'
import { type Messages, readMessages, runningKey, setRunning, writeMessages } from './conversation.ts'
import { askModel, type ModelUsage } from './model-client.ts'

/** What a test can make a fake assistant do wrong; changes work on the next request. */
export interface FakeFaults {
  /** The process ends when a turn reaches it, before it has kept the user's messages. */
  crash?: boolean
  /** The process ends after it has kept them, before it asks the model. */
  crashInRun?: boolean
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

type Ask = (all: Messages) => Promise<string>

const requestSchema = z.object({
  stream: z.literal(true),
  messages: z
    .array(
      z.object({
        role: z.enum(['user', 'assistant']),
        content: z.union([
          z.string(),
          z.array(
            z.union([
              z.object({ type: z.literal('text'), text: z.string() }),
              z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) }),
            ]),
          ),
        ]),
      }),
    )
    .min(1),
})
type Content = z.infer<typeof requestSchema>['messages'][number]['content']

const textOf = (content: Content) =>
  typeof content === 'string'
    ? content
    : content.flatMap((part) => (part.type === 'text' ? part.text : [])).join('\n')

/** data: addresses of pictures; they are shown to the model once, and not kept. */
const picturesOf = (content: Content) =>
  typeof content === 'string'
    ? []
    : content.flatMap((part) => (part.type === 'image_url' ? part.image_url.url : []))

/**
 * One assistant's gateway: chat completions in, its model's answer out, the conversation on disk between. As the real
 * one: the user's messages are kept before the model is asked, a caller that leaves cancels the run and its messages
 * are set aside, and a run that its process did not survive is taken up again by the next one.
 */
export async function startFakeGateway(input: {
  spec: AssistantSpec
  configDir: string
  modelGatewayUrl: string
  faults: FakeFaults
  crashed: () => void
}): Promise<FakeGateway> {
  let ended = false
  const closing = new AbortController()
  const server = createServer((request, response) => {
    track(answer(request, response).catch((error: unknown) => fail(response, error)))
  })
  const runs = new Set<Promise<void>>()
  function track(run: Promise<void>): void {
    runs.add(run)
    void run.then(() => runs.delete(run))
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${gateway.spec.gatewayToken}`) {
      throw new AgentError('unauthorized', 'The gateway token is wrong.')
    }
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
      throw new AgentError('not_found', 'No such route.')
    }
    const asked = requestSchema.parse(await json(request)).messages
    const messages = asked.map(({ role, content }) => ({ role, content: textOf(content) }))
    const pictures = picturesOf(asked.at(-1)?.content ?? '')
    if (input.faults.crash) return crash()
    if (input.faults.hang) return
    const left = new AbortController()
    response.once('close', () => left.abort())
    // Without a session key every call is a conversation of its own.
    const key = request.headers['x-openclaw-session-key']
    const send = (chunk: object) => sendChunk(response, chunk)
    if (typeof key !== 'string') await stream(messages, left.signal, send, pictures)
    else await keep(key, messages, (all) => stream(all, left.signal, send, pictures))
    response.end('data: [DONE]\n\n')
  }

  /** Keeps what the user said and what `ask` then answers. An ask that fails leaves the conversation as it was. */
  async function keep(key: string, messages: Messages, ask: Ask): Promise<void> {
    if ((await runningKey(input.configDir)) !== undefined)
      throw new AgentError('internal', 'Another run goes on.')
    await setRunning(input.configDir, key)
    const before = await readMessages(input.configDir, key)
    const all = [...before, ...messages]
    await writeMessages(input.configDir, key, all)
    if (input.faults.crashInRun) return crash()
    await finish(key, before, all, ask)
  }

  async function finish(key: string, before: Messages, all: Messages, ask: Ask) {
    try {
      const answer = { role: 'assistant' as const, content: await ask(all) }
      if (!ended) await writeMessages(input.configDir, key, [...all, answer])
    } catch (error) {
      if (!ended) await writeMessages(input.configDir, key, before)
      throw error
    } finally {
      if (!ended) await setRunning(input.configDir, undefined)
    }
  }

  async function resume(key: string): Promise<void> {
    const all = await readMessages(input.configDir, key)
    const before = all.slice(0, all.findLastIndex(({ role }) => role === 'assistant') + 1)
    if (before.length === all.length) return setRunning(input.configDir, undefined)
    await finish(key, before, all, (messages) => stream(messages, closing.signal, () => {}))
  }

  /** As after a kill: nothing is tidied up. */
  function crash(): void {
    ended = true
    input.crashed()
  }

  async function stream(
    conversation: Messages,
    signal: AbortSignal,
    send: (chunk: object) => void,
    pictures: string[] = [],
  ) {
    if (input.faults.slowMs) await new Promise((resolve) => setTimeout(resolve, input.faults.slowMs))
    const { virtualKey, model } = gateway.spec
    const usage: ModelUsage = { inputTokens: 0, outputTokens: 0 }
    let text = ''
    const ask = { gatewayUrl: input.modelGatewayUrl, virtualKey, model, conversation, pictures, signal }
    for await (const piece of askModel(ask)) {
      Object.assign(usage, piece.usage)
      if (piece.text === undefined) continue
      text += piece.text
      send({ choices: [{ index: 0, delta: { content: piece.text }, finish_reason: null }] })
    }
    const { inputTokens, outputTokens } = usage
    send({
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
    async close() {
      closing.abort()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      // What they still write must not meet the next gateway of this conversation.
      if (!ended) await Promise.all(runs)
    },
  }
  // A resumed run that fails leaves the conversation as it was, like any other.
  const interrupted = await runningKey(input.configDir)
  if (interrupted !== undefined) track(resume(interrupted).catch(() => {}))
  return gateway
}

function sendChunk(response: ServerResponse, chunk: object): void {
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
