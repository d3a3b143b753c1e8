import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import type { Ctx } from '../../context.ts'
import type { Notifications } from '../../lib/notifications.ts'
import type { LiveAnswers, RunningAnswer } from '../../live/answers.ts'
import { newestSeq, readChanges } from '../../services/conversation/read-changes.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import type { WithUrl } from './files.ts'
import { liveStream, type Round } from './live.ts'
import { withUrls } from './message-view.ts'

/** How far somebody has read: the newest message, and a part of the answer that is being written. */
interface Position {
  seq: number
  answer?: { turnId: string; run: string; length: number }
}

/** Told to the browser: how soon it connects again. */
const retryMs = 1_000

/**
 * The person's conversation, live. An event's id is a position: whoever comes back with it, to whatever replica, gets
 * what is missing, and the last messages before it as `change`, since they may have changed meanwhile.
 */
export function messageEvents(
  c: Context<AuthenticatedEnv>,
  deps: { ctx: Ctx; notifications: Pick<Notifications, 'on'>; live: LiveAnswers; withUrl: WithUrl },
  after: string | undefined,
): Response {
  const userId = c.get('user').id
  const from = parsePosition(c.req.header('last-event-id')) ?? parsePosition(after)
  return liveStream(c, deps, ['messages'], (wake) => {
    const messages = followMessages(deps.ctx, userId, from?.seq)
    const answer = followAnswer(deps.live, userId, wake, from?.answer)
    let isFirst = true
    const round: Round = async (send, isDue) => {
      const id = () => formatPosition({ seq: messages.seq(), ...answer.position() })
      // A browser that is cut off now comes back to this position.
      if (isFirst) await messages.begin()
      // A page that was somebody else's, before another signed in to the same browser, must not go on with this.
      if (isFirst) await send({ data: JSON.stringify({ userId }), event: 'begin', id: id(), retry: retryMs })
      isFirst = false
      // What is left of an answer comes before the message that it became.
      for (const data of answer.take()) await send({ event: 'answer', data: JSON.stringify(data), id: id() })
      if (!isDue) return
      for await (const { event, message } of messages.changes()) {
        if (message.direction === 'OUTBOUND' && message.turnId) answer.isStored(message.turnId)
        await send({ event, data: JSON.stringify(await withUrls(message, deps.withUrl)), id: id() })
      }
    }
    return { round, stop: answer.stop }
  })
}

/** Begins after a position, or with what comes from now on. */
function followMessages(ctx: Ctx, userId: string, from: number | undefined) {
  let seq = from ?? 0
  /** What was sent of the last messages. */
  let known = new Map<number, string>()
  return {
    seq: () => seq,
    async begin() {
      if (from !== undefined) return
      seq = await newestSeq({ ctx, input: { userId } })
      const { messages } = await readChanges({ ctx, input: { userId, after: seq } })
      // What came in between is new.
      known = new Map(messages.filter((one) => one.seq <= seq).map((one) => [one.seq, fingerprint(one)]))
    },
    async *changes() {
      for (let isAll = false; !isAll; ) {
        const read = await readChanges({ ctx, input: { userId, after: seq } })
        const now = new Map<number, string>()
        for (const message of read.messages) {
          const print = fingerprint(message)
          now.set(message.seq, print)
          if (known.get(message.seq) === print) continue
          const isNew = message.seq > seq
          seq = Math.max(seq, message.seq)
          yield { event: isNew ? 'message' : 'change', message } as const
        }
        known = now
        isAll = read.isAll
      }
    },
  }
}

/** `text` stands at `offset` of the turn's answer; what stood there and behind it is gone. */
function followAnswer(live: LiveAnswers, userId: string, wake: () => void, from: Position['answer']) {
  const watch = live.watch(userId, wake)
  let sent = from
  let held: RunningAnswer | undefined
  let stored: string | undefined
  function* news(answer: RunningAnswer | undefined) {
    if (!answer || answer.turnId === stored) return
    const { turnId, run, text } = answer
    const isSame = sent?.turnId === turnId && sent.run === run
    const offset = isSame && sent ? sent.length : 0
    if (isSame && text.length <= offset) return
    sent = { turnId, run, length: text.length }
    yield { turnId, offset, text: text.slice(offset) }
  }
  return {
    position: () => (sent ? { answer: sent } : {}),
    *take() {
      const now = watch.answer()
      // One that is over: nobody but us holds it any more.
      if (held && held !== now) yield* news(held)
      held = now
      yield* news(now)
    },
    /** The rest of it is in the message. */
    isStored(turnId: string) {
      stored = turnId
    },
    stop: watch.stop,
  }
}

const formatPosition = ({ seq, answer }: Position) =>
  answer ? `${seq}.${answer.turnId}.${answer.run}.${answer.length}` : String(seq)

export function parsePosition(text: string | undefined): Position | undefined {
  const [, seq, turnId, run, length] = positionPattern.exec(text ?? '') ?? []
  if (seq === undefined) return undefined
  const answer = turnId && run && length ? { turnId, run, length: Number(length) } : undefined
  return { seq: Number(seq), ...(answer && { answer }) }
}
export const positionPattern = /^(\d{1,15})(?:\.([\w-]{1,40})\.(\w{1,40})\.(\d{1,9}))?$/

const fingerprint = (message: object) => createHash('sha256').update(JSON.stringify(message)).digest('base64')
