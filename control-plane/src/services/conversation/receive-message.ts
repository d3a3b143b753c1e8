import type { Transaction } from '@yourclaw/db'
import { inTransaction, nudge } from '../../context.ts'
import { attachTo, dropFiles, unsentFiles } from '../attachment/attach.ts'
import { type IncomingFile, incomingRows } from '../attachment/incoming.ts'
import { hasOptedOut } from '../channel/contact.ts'
import type { ConversationCtx, Recipient } from './ctx.ts'
import { albumCode, type RefusalCode, takeFromLimits, userStanding } from './limits.ts'
import { type AssistantRow, lockOwner } from './rows.ts'
import { sanitize } from './sanitize.ts'
import { sendNoticeIn } from './send-notice.ts'
import { greetStrangerIn } from './tell-address.ts'
import { whyNotEntitled } from './tell-standing.ts'
import { texts, waitUntil } from './texts.ts'

export interface ReceiveInput extends Recipient {
  /** Telegram update_id, Twilio MessageSid: processed once (M2). */
  providerMessageId: string
  providerOrder?: bigint
  body: string
  /** What its person wrote, where that is more. */
  written?: string
  /** What it said before its person changed it; empty = not known. */
  editedFrom?: string
  /** What the model is told before the text. */
  context?: string
  /** What its chat calls it, where that is not providerMessageId. */
  chatMessageId?: string
  /** Files that its provider keeps. */
  files?: readonly IncomingFile[]
  /** Its provider's name for the album it belongs to: messages of one are answered together, and count as one. */
  album?: string
  /** Files that were uploaded before. Errors: file_unknown. */
  attachmentIds?: readonly string[]
  /** W3C traceparent. */
  traceParent?: string
  /** What is done once the message is accepted, in its transaction: the command before its words. */
  first?: { code: string; work: (tx: Transaction, owner: AssistantRow) => Promise<void> }
}

export type Received =
  | { outcome: 'accepted' | 'duplicate'; messageId: string }
  /** `text`: why, in words for the person; absent for one that came before. */
  | { outcome: 'refused'; messageId: string; code: string; text?: string | null }
  | { outcome: 'unknown_sender' }

/** Makes one incoming message durable, and asks for a turn that answers it; all in one transaction (M3). */
export async function receiveMessage({ ctx, input }: { ctx: ConversationCtx; input: ReceiveInput }) {
  const accepted = isOrdinary(input) ? await ctx.together.receive(input) : null
  return accepted ? { outcome: 'accepted' as const, ...accepted } : receiveAlone({ ctx, input })
}

const isOrdinary = ({ context, files, attachmentIds, album, first }: ReceiveInput) =>
  context === undefined && !files?.length && !attachmentIds?.length && album === undefined && !first

/** The rest of an album comes within it. */
const albumWaitMs = 1_000

/** Everything that may become of a message. */
function receiveAlone({ ctx, input }: { ctx: ConversationCtx; input: ReceiveInput }) {
  return inTransaction(ctx, async (tx): Promise<Received> => {
    const at = new Date(ctx.clock.now())
    const assistant = await lockOwner(tx, input)
    if (!assistant) {
      await greetStrangerIn(tx, ctx, { channel: input.channel, address: input.address })
      return { outcome: 'unknown_sender' }
    }
    const messageId = await insertMessage(tx, assistant, input, at)
    if (messageId === null) return findStored(tx, input)
    await attachIncoming(tx, assistant.userId, messageId, input, at)
    nudge(tx, 'messages', assistant.userId)
    const refusal = await findRefusal(tx, ctx, assistant, { to: input, messageId, at, album: input.album })
    if (refusal) {
      await tx.message.update({ where: { id: messageId }, data: { state: 'REFUSED', code: refusal.code } })
      await dropFiles(tx, { messageId }, at)
      const to = { channel: input.channel, address: input.address }
      const once = { kind: refusal.code, key: refusal.key }
      const { text } = refusal
      if (text !== null) await sendNoticeIn(tx, ctx, { userId: assistant.userId, to, ...refusal, text, once })
      return { outcome: 'refused', messageId, code: refusal.code, text }
    }
    if (input.first) {
      await input.first.work(tx, assistant)
      // A stop took everything that was waiting.
      const data = { state: 'RECEIVED', code: input.first.code } as const
      await tx.message.update({ where: { id: messageId }, data })
    }
    const notBefore = input.album === undefined ? null : wakeLater(ctx, assistant, at)
    await requestTurn(tx, assistant, at, input.traceParent, notBefore)
    await tellSuspended(tx, ctx, assistant, input)
    return { outcome: 'accepted', messageId }
  })
}

/**
 * Stores an incoming message that is no part of the conversation (M8): an answer to a question of ours, a command. False
 * when it was stored before (M2). Only under the assistant's lock.
 */
export async function storeAside(
  tx: Transaction,
  ctx: ConversationCtx,
  assistant: AssistantRow,
  input: ReceiveInput,
  code: string,
): Promise<boolean> {
  const messageId = await insertMessage(tx, assistant, input, new Date(ctx.clock.now()))
  if (messageId === null) return false
  await tx.message.update({ where: { id: messageId }, data: { kind: 'NOTICE', state: 'ANSWERED', code } })
  nudge(tx, 'messages', assistant.userId)
  return true
}

async function insertMessage(tx: Transaction, assistant: AssistantRow, input: ReceiveInput, at: Date) {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    WITH inserted AS (
      INSERT INTO messages (user_id, direction, channel, address, body, provider_message_id, provider_order, seq,
        state, trace_parent, created_at, context, chat_message_id, written, edited_from)
      SELECT ${assistant.userId}::uuid, 'INBOUND', ${input.channel}::"Channel", ${input.address},
        ${sanitize(input.body)}, ${input.providerMessageId}, ${input.providerOrder ?? null}::bigint, last_seq + 1,
        'RECEIVED', ${input.traceParent ?? null}, ${at}, ${input.context ?? null}, ${input.chatMessageId ?? null},
        ${input.written === undefined ? null : sanitize(input.written)}, ${input.editedFrom ?? null}
      FROM assistants WHERE id = ${assistant.id}::uuid
      ON CONFLICT (channel, provider_message_id) DO NOTHING RETURNING id
    ), counted AS (
      UPDATE assistants SET last_seq = last_seq + 1
      WHERE id = ${assistant.id}::uuid AND EXISTS (SELECT FROM inserted)
    )
    SELECT id FROM inserted`
  return rows[0]?.id ?? null
}

async function attachIncoming(
  tx: Transaction,
  userId: string,
  messageId: string,
  { files = [], attachmentIds = [] }: ReceiveInput,
  at: Date,
) {
  await attachTo(tx, messageId, await unsentFiles(tx, { userId, attachmentIds }))
  if (files.length > 0)
    await tx.attachment.createMany({ data: incomingRows({ userId, messageId, files, at }) })
}

/** What was said of the first delivery is said of every other: a refused message is not accepted by repeating it. */
async function findStored(tx: Transaction, { channel, providerMessageId }: ReceiveInput): Promise<Received> {
  const where = { channel_providerMessageId: { channel, providerMessageId } }
  const stored = await tx.message.findUniqueOrThrow({ where, select: { id: true, state: true, code: true } })
  const { id: messageId, code } = stored
  if (stored.state === 'REFUSED' && code !== null) return { outcome: 'refused', messageId, code }
  return { outcome: 'duplicate', messageId }
}

/** A turn that is pending takes this message too, so there is never more than one (M4). Only under the lock. */
export async function requestTurn(
  tx: Transaction,
  assistant: AssistantRow,
  at: Date,
  traceParent?: string,
  notBefore: Date | null = null,
) {
  await tx.$executeRaw`
    INSERT INTO turns (assistant_id, trace_parent, created_at, not_before)
    VALUES (${assistant.id}::uuid, ${traceParent ?? null}, ${at}, ${notBefore})
    ON CONFLICT (assistant_id) WHERE state = 'PENDING' DO NOTHING`
  if (assistant.hostServerId !== null) nudge(tx, 'turns', assistant.hostServerId)
}

/** When a turn that waits for an album may begin; should this process be gone by then, a sweep wakes its host. */
function wakeLater(ctx: ConversationCtx, { hostServerId }: AssistantRow, at: Date): Date {
  const wake = async () => {
    if (hostServerId === null) return
    await inTransaction(ctx, async (tx) => nudge(tx, 'turns', hostServerId))
  }
  const failed = (err: unknown) => ctx.log.warn({ err }, 'a host was not woken')
  setTimeout(() => void wake().catch(failed), albumWaitMs + 50).unref()
  return new Date(at.getTime() + albumWaitMs)
}

/** It waits until the assistant is resumed; one word a suspension says so. */
async function tellSuspended(
  tx: Transaction,
  ctx: ConversationCtx,
  assistant: AssistantRow,
  input: Recipient,
) {
  const { userId, suspendedAt } = assistant
  if (suspendedAt === null) return
  const once = { kind: 'assistant_suspended', key: suspendedAt.toISOString() }
  const to = { channel: input.channel, address: input.address }
  await sendNoticeIn(tx, ctx, { userId, to, code: once.kind, text: texts.suspended, once })
}

/** `key` = what "told once" means for this refusal. */
interface Refusal {
  code: RefusalCode
  /** Null = nothing may be said. */
  text: string | null
  key: string
}

async function findRefusal(
  tx: Transaction,
  ctx: ConversationCtx,
  assistant: AssistantRow,
  message: { to: Recipient; messageId: string; at: Date; album: string | undefined },
): Promise<Refusal | null> {
  const { webUrl, rateLimitPerDay, rateLimitPerMinute } = ctx.settings
  const { userId } = assistant
  const { to, at } = message
  // An answer could not be sent, so none is written.
  if (await hasOptedOut(tx, to)) return { code: 'opted_out', text: null, key: '' }
  const day = await userStanding(tx, userId, at)
  if (!day.isEntitled)
    return { code: 'not_entitled', text: await whyNotEntitled(tx, webUrl, userId), key: day.date }
  if (assistant.status === 'NONE' && assistant.desired === 'ABSENT') {
    return { code: 'no_assistant', text: texts.noAssistant(webUrl), key: day.date }
  }
  const album = message.album === undefined ? null : { scope: userId, kind: 'album', key: message.album }
  if (album && (await tx.notice.count({ where: album })) > 0) {
    await tx.message.update({ where: { id: message.messageId }, data: { code: albumCode } })
    return null
  }
  const result = await takeFromLimits(tx, ctx, { userId, day, ...message })
  if (result.ok) {
    if (album) await tx.notice.create({ data: album })
    return null
  }
  const wait = waitUntil(result.resetsAt, at.getTime())
  const isDay = result.limit === 'day'
  const text = isDay ? texts.dayLimit(rateLimitPerDay, wait) : texts.minuteLimit(rateLimitPerMinute, wait)
  return { code: `${result.limit}_limit`, text, key: result.resetsAt.toISOString() }
}
