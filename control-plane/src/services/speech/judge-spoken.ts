import type { Channel, Transaction } from '@yourclaw/db'
import { formatMoment } from '../../mail/format.ts'
import { plan } from '../../plan.ts'
import type { ConversationCtx, Recipient } from '../conversation/ctx.ts'
import { userStanding } from '../conversation/limits.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { texts } from '../conversation/texts.ts'
import { turnRecipient } from '../conversation/turn-rows.ts'
import { quietUntil } from './quiet-until.ts'
import { whereToSpeak } from './where-to-speak.ts'

/** Why something is not sent; `detail` is for the model to read, who may have to tell. */
export interface NotSent {
  code: string
  detail: string
}

export interface Judged {
  userId: string
  to: Recipient
  /** The user's quiet hours last until then. */
  heldUntil: Date | null
  /** Null = the assistant speaks first. */
  turnId: string | null
}

/** More files than this for one answer are a runaway. */
const maxPerTurn = 20
/** What was said in a turn may come after its end, as a link may be away. */
const turnGraceMs = 10 * 60_000

interface Speaker {
  id: string
  userId: string
  isSuspended: boolean
  proactive: boolean
  proactiveChannel: Channel | null
}

/**
 * Whether what an assistant says by itself is sent, where to and when. While it answers, the person is there: it goes
 * where the question came from, at once, until the person stops it. Else it speaks first, and that is bounded by the
 * switch, the day's limit and quiet hours. Takes the assistant's lock.
 */
export async function judgeSpoken(
  tx: Transaction,
  ctx: ConversationCtx,
  input: { hostId: string; assistantId: string; turnId: string | null },
): Promise<Judged | NotSent> {
  const at = new Date(ctx.clock.now())
  const [speaker] = await tx.$queryRaw<Speaker[]>`
    SELECT a.id, a.user_id AS "userId", a.suspended_at IS NOT NULL AS "isSuspended", u.proactive,
      u.proactive_channel::text AS "proactiveChannel"
    FROM assistants a JOIN users u ON u.id = a.user_id
    WHERE a.id = ${input.assistantId}::uuid AND a.host_server_id = ${input.hostId}::uuid AND a.desired = 'PRESENT'
    FOR UPDATE OF a`
  if (!speaker) return { code: 'assistant_unknown', detail: 'This assistant is not here any more.' }
  const { userId } = speaker
  const day = await userStanding(tx, userId, at)
  if (!day.isEntitled || speaker.isSuspended)
    return { code: 'not_entitled', detail: 'Nothing can be sent: their subscription is not active.' }

  const said = input.turnId === null ? null : await turnOf(tx, speaker.id, input.turnId)
  // However long ago: its host may have been away since.
  if (said?.cancelRequestedAt)
    return { code: 'turn_stopped', detail: 'They stopped this answer: nothing more of it is sent.' }
  const turn = said && (await chatOfTurn(tx, said, at))
  if (turn) {
    if ((await tx.spokenMessage.count({ where: { turnId: turn.turnId } })) >= maxPerTurn)
      return {
        code: 'too_many_messages',
        detail: `At most ${maxPerTurn} messages can be sent in one answer.`,
      }
    return { userId, turnId: turn.turnId, to: turn.to, heldUntil: null }
  }

  if (!speaker.proactive) {
    const detail =
      'They have turned off messages that they did not ask for. Answer when they write; do not try again.'
    return { code: 'proactive_off', detail }
  }
  const heldUntil = await quietUntil(tx, userId, at)
  if ((await saidToday(tx, userId, day)) >= plan.proactivePerDay) {
    const once = { kind: 'proactive_limit', key: day.date }
    const resetsAt = formatMoment(day.endsAt, day.timeZone)
    const text = texts.proactiveLimit(plan.proactivePerDay, resetsAt)
    if (!heldUntil) await sendNoticeIn(tx, ctx, { userId, code: once.kind, text, once })
    const detail = `Today's ${plan.proactivePerDay} messages of your own are sent. The next can go out from ${resetsAt}.`
    return { code: 'proactive_limit', detail }
  }
  const to = await whereToSpeak(tx, ctx, { id: userId, proactiveChannel: speaker.proactiveChannel })
  return { userId, to, heldUntil, turnId: null }
}

/** Of this assistant alone. */
function turnOf(tx: Transaction, assistantId: string, id: string) {
  const select = { id: true, finishedAt: true, cancelRequestedAt: true } as const
  return tx.turn.findFirst({ where: { id, assistantId }, select })
}

/** Where a turn answers, if it runs or has just ended. */
async function chatOfTurn(tx: Transaction, turn: { id: string; finishedAt: Date | null }, at: Date) {
  if (turn.finishedAt && at.getTime() - turn.finishedAt.getTime() >= turnGraceMs) return null
  const to = await turnRecipient(tx, turn.id)
  return to && { turnId: turn.id, to }
}

async function saidToday(tx: Transaction, userId: string, day: { date: string; timeZone: string }) {
  const [said] = await tx.$queryRaw<{ count: number }[]>`
    SELECT count(*)::int AS count FROM spoken_messages
    WHERE user_id = ${userId}::uuid AND turn_id IS NULL
      AND created_at >= (${day.date}::date::timestamp AT TIME ZONE ${day.timeZone})`
  return said?.count ?? 0
}
