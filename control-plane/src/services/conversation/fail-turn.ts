import type { Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { raiseAlert } from '../alert/raise-alert.ts'
import { dropFiles } from '../attachment/attach.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { countAnswer } from './limits.ts'
import { requestTurn } from './receive-message.ts'
import { lockAssistant } from './rows.ts'
import { sanitize } from './sanitize.ts'
import { sendNoticeIn, storeOutgoing } from './send-notice.ts'
import { texts } from './texts.ts'
import { assertRunningUnder, lockTurn, maxAttempts, type TurnRow, turnRecipient } from './turn-rows.ts'
import { whyFailed } from './why-failed.ts'

export interface FailInput {
  turnId: string
  sessionEpoch: bigint
  /** Stable code of the agent's cause; turn_canceled ends the turn without a word. */
  code: string
  retryable: boolean
  /** With turn_canceled: what was there of the answer. Kept, and marked as stopped. */
  partialText?: string
}

const maxCodeLength = 100
/** Of an answer that its person stopped, and of the word that says so. */
export const stoppedCode = 'stopped'

export interface Failed {
  /** Null = the turn is over and the user was told. */
  retryAfterMs: number | null
  attempt: number
  /** `waiting`: another attempt or turn answers. */
  outcome: 'waiting' | 'failed' | 'canceled'
}

/** Ends an attempt without an answer. */
export function failTurn({ ctx, input }: { ctx: ConversationCtx; input: FailInput }) {
  return inTransaction(ctx, async (tx): Promise<Failed> => {
    const turn = await lockTurn(tx, input.turnId)
    const over = (outcome: Failed['outcome']) => ({ retryAfterMs: null, attempt: turn.attempts, outcome })
    if (turn.state === 'FAILED') return over('failed')
    if (turn.state === 'CANCELED') return over('canceled')
    assertRunningUnder(turn, input.sessionEpoch)
    const code =
      turn.cancelRequestedAt === null ? sanitize(input.code).slice(0, maxCodeLength) : 'turn_canceled'
    if (input.retryable && code !== 'turn_canceled' && (await putBackIfSuspended(tx, ctx, turn))) {
      return over('waiting')
    }
    if (!input.retryable || turn.attempts >= maxAttempts || code === 'turn_canceled') {
      await giveUpIn(tx, ctx, turn, code, input.partialText || undefined)
      return over(code === 'turn_canceled' ? 'canceled' : 'failed')
    }
    const attempt = turn.attempts + 1
    await tx.turn.update({ where: { id: turn.id }, data: { attempts: attempt, errorCode: code } })
    return { retryAfterMs: 1000 * 4 ** (turn.attempts - 1), attempt, outcome: 'waiting' }
  })
}

/** A turn that its assistant's suspension cut is none: its messages wait for the next one, after the resumption. */
async function putBackIfSuspended(tx: Transaction, ctx: ConversationCtx, turn: TurnRow): Promise<boolean> {
  const assistant = await lockAssistant(tx, turn.userId)
  if (!assistant?.suspendedAt) return false
  const finishedAt = new Date(ctx.clock.now())
  const canceled = {
    state: 'CANCELED',
    errorCode: 'assistant_suspended',
    partialText: null,
    finishedAt,
  } as const
  await tx.turn.update({ where: { id: turn.id }, data: canceled })
  await tx.message.updateMany({ where: { turnId: turn.id, direction: 'INBOUND' }, data: { turnId: null } })
  await requestTurn(tx, assistant, finishedAt, turn.traceParent ?? undefined)
  return true
}

/**
 * RUNNING → FAILED | CANCELED. Its messages leave the inbox, and the model never sees them again. The person is told, or
 * gets what was there of an answer that they stopped.
 */
export async function giveUpIn(
  tx: Transaction,
  ctx: ConversationCtx,
  turn: TurnRow,
  code: string,
  partialText = turn.partialText ?? '',
): Promise<void> {
  const isCanceled = code === 'turn_canceled'
  const to = await turnRecipient(tx, turn.id)
  const finishedAt = new Date(ctx.clock.now())
  await tx.turn.update({
    where: { id: turn.id },
    data: { state: isCanceled ? 'CANCELED' : 'FAILED', errorCode: code, partialText: null, finishedAt },
  })
  await tx.message.updateMany({
    where: { turnId: turn.id, direction: 'INBOUND' },
    data: { state: isCanceled ? 'ANSWERED' : 'REFUSED', code },
  })
  if (!isCanceled) await dropFiles(tx, { message: { turnId: turn.id, direction: 'INBOUND' } }, finishedAt)
  if (turn.hostServerId !== null) nudge(tx, 'turns', turn.hostServerId)
  if (code === 'platform_key_refused') await alertOfKey(tx, turn.userId)
  if (isCanceled) return keepPartialIn(tx, ctx, turn, to, sanitize(partialText))
  const once = { kind: 'turn_failed', key: turn.id }
  const notice = {
    userId: turn.userId,
    code: 'turn_failed',
    text: whyFailed(code, ctx.settings.webUrl),
    once,
  }
  await sendNoticeIn(tx, ctx, to ? { ...notice, to } : notice)
}

/** It ends with the next call that is counted on that key (storeUsage). */
async function alertOfKey(tx: Transaction, userId: string): Promise<void> {
  const { model } = await tx.assistant.findUniqueOrThrow({ where: { userId }, select: { model: true } })
  const provider = model.split('/')[0] ?? ''
  const detail = `${provider} refuses the platform’s key; nobody without a key of their own is answered by its models.`
  await raiseAlert({ tx, cause: `shared_key:${provider}`, detail })
}

/** The one answer of a turn that was stopped is what was there of it; without a word of it the stop is told. */
async function keepPartialIn(
  tx: Transaction,
  ctx: ConversationCtx,
  { id: turnId, userId, traceParent }: TurnRow,
  to: Recipient | null,
  text: string,
): Promise<void> {
  if (to === null) return
  if (text.trim() === '') {
    const once = { kind: stoppedCode, key: turnId }
    await sendNoticeIn(tx, ctx, { userId, to, code: stoppedCode, text: texts.stopped, once })
    return
  }
  await countAnswer(tx, userId, new Date(ctx.clock.now()))
  const shown = texts.stoppedAnswer(text)
  await storeOutgoing(tx, ctx, {
    userId,
    to,
    kind: 'CHAT',
    code: stoppedCode,
    text,
    shown,
    turnId,
    traceParent,
  })
}
