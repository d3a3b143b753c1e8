import type { Transaction } from '@yourclaw/db'
import { render } from '../../channels/render.ts'
import type { Button } from '../../channels/sender.ts'
import { inTransaction, nudge } from '../../context.ts'
import { attachTo, unsentFiles } from '../attachment/attach.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { liveAddresses } from './live-addresses.ts'
import { lockAssistant, sayOnce } from './rows.ts'
import { sanitize } from './sanitize.ts'

export interface NoticeInput {
  userId: string
  /** Absent = the live binding the user last wrote from, else any live binding, else the web; where it can be sent. */
  to?: Recipient
  /** Stable, lower-case, with underscores. */
  code: string
  /** Markdown. */
  text: string
  /** Says it at most once for this key. */
  once?: { kind: string; key: string }
}

/** Our own words to a user: never billed, counted or shown to the model (M8). `sent` is false when already said. */
export function sendNotice({ ctx, input }: { ctx: ConversationCtx; input: NoticeInput }) {
  return inTransaction(ctx, (tx) => sendNoticeIn(tx, ctx, input))
}

export async function sendNoticeIn(tx: Transaction, ctx: ConversationCtx, input: NoticeInput) {
  if (!(await lockAssistant(tx, input.userId))) return { sent: false }
  if (input.once && !(await sayOnce(tx, input.userId, input.once.kind, input.once.key)))
    return { sent: false }
  const to = input.to ?? (await lastAddress(tx, ctx, input.userId))
  await storeOutgoing(tx, ctx, {
    userId: input.userId,
    to,
    kind: 'NOTICE',
    code: input.code,
    text: input.text,
  })
  return { sent: true }
}

/**
 * Stores a message with the files that go with it, its rendered parts and the job that delivers them. Only under the
 * assistant's lock.
 */
export async function storeOutgoing(tx: Transaction, ctx: ConversationCtx, input: OutgoingInput) {
  const { userId, to } = input
  const body = sanitize(input.text)
  const files = await unsentFiles(tx, { userId, attachmentIds: input.attachmentIds ?? [] })
  const { buttons, heldUntil } = input
  const payloads = heldUntil ? [] : render(to.channel, sanitize(input.shown ?? body), { buttons, files })
  const state = payloads.length === 0 && !heldUntil ? 'DELIVERED' : 'PENDING'
  const [message] = await tx.$queryRaw<{ id: string }[]>`
    WITH numbered AS (
      UPDATE assistants SET last_seq = last_seq + 1 WHERE user_id = ${userId}::uuid RETURNING last_seq
    ), message AS (
      INSERT INTO messages (user_id, direction, kind, channel, address, body, seq, state, turn_id, trace_parent, code,
        held_until, created_at)
      SELECT ${userId}::uuid, 'OUTBOUND', ${input.kind}::"MessageKind", ${to.channel}::"Channel", ${to.address}, ${body},
        last_seq, ${state}::"MessageState", ${input.turnId ?? null}::uuid, ${input.traceParent ?? null},
        ${input.code ?? null}, ${input.heldUntil ?? null}, ${new Date(ctx.clock.now())}
      FROM numbered RETURNING id
    ), parts AS (
      INSERT INTO deliveries (message_id, user_id, channel, address, part, payload)
      SELECT message.id, ${userId}::uuid, ${to.channel}::"Channel", ${to.address}, place - 1, payload
      FROM message, jsonb_array_elements(${JSON.stringify(payloads)}::jsonb) WITH ORDINALITY AS p (payload, place)
    )
    SELECT id FROM message`
  if (!message) throw new Error('a user without an assistant row')
  await attachTo(tx, message.id, files)
  if (payloads.length > 0) await ctx.outbox.enqueueMessage(tx, to, message.id)
  nudge(tx, 'messages', userId)
  return message.id
}

interface OutgoingInput {
  userId: string
  to: Recipient
  kind: 'CHAT' | 'NOTICE'
  text: string
  /** What phones show instead. */
  shown?: string
  buttons?: Button[]
  code?: string
  turnId?: string
  /** It gets no deliveries yet (services/speech/release-held.ts). */
  heldUntil?: Date
  /** Files that storeFile kept; they go out in this order. */
  attachmentIds?: readonly string[]
  /** Of the message that it answers. */
  traceParent?: string | null
}

/** Where something can be sent to a user, the address they wrote from last; the web when nowhere else. */
export async function lastAddress(tx: Transaction, ctx: ConversationCtx, userId: string): Promise<Recipient> {
  const [last] = await liveAddresses(tx, ctx, userId)
  return last ?? { channel: 'WEB', address: userId }
}
