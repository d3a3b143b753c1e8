import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { Refusal } from '../model-gateway/refusal.ts'
import type { Service } from '../model-gateway/service.ts'
import type { SpeechWatch } from '../observability/watch.ts'
import type { LiveSession } from '../relay/relay.ts'
import { createCarrier } from './carrier.ts'
import { readIncoming } from './incoming.ts'
import { type Outcome, openSpool } from './spool.ts'

/** The model gateway's name of it, and where our channel plugin posts there. */
export const channelService = 'channel'
export const channelPath = `/${channelService}/messages`

/** What one assistant may have waiting, on the host's own disk; more of it would cost the others. */
const maxWaiting = { messages: 50, bytes: 200 * 2 ** 20 }
/** Posts of one assistant: open at once, and in a minute. */
const maxOpen = 2
const maxPerMinute = 30
/** A model that waits for its tool hears what became of the message when that is known soon. */
const answerMs = 10_000

/** The turn of an assistant that runs now. */
export interface RunningTurn {
  turnId: string
  traceParent: string
}

export interface Speech {
  /**
   * Takes what an assistant says by itself: on the disk before it is answered. 200 = stored by the control plane, 202 =
   * it will be. Throws a Refusal.
   */
  post: Service
  connect(session: LiveSession): void
  /** A turn was stopped: what it said and is still on its way is not wanted, as the control plane will say. */
  stopped(turnId: string): void
  /** Messages that wait. */
  waiting(): number
  close(): void
}

/** The way of what assistants say by themselves: from the channel plugin over this host's disk to the control plane. */
export function createSpeech(deps: {
  dir: string
  running: (assistantId: string) => RunningTurn | undefined
  watch: SpeechWatch
  log: Logger
  now?: () => number
}): Speech {
  const { log } = deps
  const now = deps.now ?? Date.now
  const spool = openSpool(deps.dir, now)
  const open = new Map<string, number>()
  const recent = new Map<string, number[]>()
  const carrier = createCarrier({
    spool,
    settled(spoken, outcome) {
      const code = outcome.state === 'refused' ? outcome.code : undefined
      deps.watch.messageSettled(code)
      log.info({ messageId: spoken.id, assistantId: spoken.assistantId, code }, 'message handed over')
    },
    log,
  })

  function admit(assistantId: string): void {
    const since = now() - 60_000
    const posts = (recent.get(assistantId) ?? []).filter((at) => at > since)
    if (posts.length >= maxPerMinute || (open.get(assistantId) ?? 0) >= maxOpen)
      throw new Refusal(429, 'too_many_messages', 'That is too much at once. Wait a minute.', 5)
    recent.set(assistantId, [...posts, now()])
  }

  async function take(request: IncomingMessage, assistantId: string) {
    const { callId, text, file, body } = await readIncoming(request)
    const known = spool.find(assistantId, callId)
    if (known) {
      request.resume()
      return known
    }
    const load = spool.load(assistantId)
    if (load.messages >= maxWaiting.messages || load.bytes + (file?.bytes ?? 0) > maxWaiting.bytes)
      throw new Refusal(429, 'too_much_waiting', 'Too many messages wait to be sent. Try again later.', 60)
    const { id, ...written } = await spool.write(body)
    // The same may have come twice at once.
    const meanwhile = spool.find(assistantId, callId)
    if (meanwhile) {
      await spool.drop(id)
      return meanwhile
    }
    const turn = deps.running(assistantId)
    try {
      spool.add({
        id,
        assistantId,
        callId,
        text,
        turnId: turn?.turnId ?? '',
        traceParent: deps.watch.messageTaken(turn?.traceParent),
        ...(file && { file: { name: file.name, ...written } }),
      })
    } catch (error) {
      await spool.drop(id)
      throw error
    }
    return { id }
  }

  async function post(request: IncomingMessage, response: ServerResponse, assistantId: string) {
    if (request.method !== 'POST' || request.url !== channelPath)
      throw new Refusal(404, 'unknown_call', 'Assistants may not make this call.')
    admit(assistantId)
    open.set(assistantId, (open.get(assistantId) ?? 0) + 1)
    let taken: { id: string; outcome?: Outcome }
    try {
      taken = await take(request, assistantId)
    } finally {
      const rest = (open.get(assistantId) ?? 1) - 1
      if (rest > 0) open.set(assistantId, rest)
      else open.delete(assistantId)
    }
    const settled = taken.outcome === undefined ? carrier.outcome(taken.id, answerMs) : undefined
    carrier.wake()
    const outcome = taken.outcome ?? (await settled)
    if (outcome?.state === 'refused') throw new Refusal(422, outcome.code, outcome.detail)
    response.writeHead(outcome ? 200 : 202, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ id: taken.id, state: outcome?.state ?? 'waiting' }))
  }

  return {
    async post(request, response, { assistantId }) {
      try {
        await post(request, response, assistantId)
      } catch (error) {
        if (error instanceof Refusal) deps.watch.messageRefused(error.code)
        // A refusal must reach a caller that still sends.
        request.resume()
        throw error
      }
    },
    connect: carrier.connect,
    stopped: carrier.interrupt,
    waiting: () => spool.waiting().length,
    close: spool.close,
  }
}
