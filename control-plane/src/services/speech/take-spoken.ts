import type { Transaction } from '@yourclaw/db'
import { inTransaction } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { formatMoment } from '../../mail/format.ts'
import { plan } from '../../plan.ts'
import type { Store } from '../../storage/store.ts'
import { discardFile, filesDayLimitCode, storeInShare } from '../attachment/store-file.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { userDay } from '../conversation/limits.ts'
import { sendNotice, storeOutgoing } from '../conversation/send-notice.ts'
import { texts } from '../conversation/texts.ts'
import { type Judged, judgeSpoken, type NotSent } from './judge-spoken.ts'

/** What an assistant says by itself, as its host hands it over. */
export interface Spoken {
  hostId: string
  /** The host's own id of it. */
  key: string
  assistantId: string
  /** Markdown; may be empty beside a file. */
  text: string
  /** The turn that ran when it was said; null = the assistant speaks first. */
  turnId: string | null
  traceParent: string | null
  file?: { name: string; sizeBytes: number; bytes: AsyncIterable<Uint8Array> }
}

export type Taken = { outcome: 'stored'; messageId: string } | ({ outcome: 'refused' } & NotSent)

/**
 * Stores what an assistant says as a message of the conversation with its deliveries, in one transaction and once for
 * each of the host's ids, or says why it is not sent. What reads `file` may throw, and then nothing is stored.
 */
export async function takeSpoken({
  ctx,
  vault,
  store,
  input,
}: {
  ctx: ConversationCtx
  vault: Vault
  store: Store
  input: { spoken: Spoken; signal: AbortSignal }
}): Promise<Taken> {
  const { spoken, signal } = input
  const { file } = spoken
  if (!file) return inTransaction(ctx, (tx) => storeIn(tx, ctx, spoken, []))
  // Before its bytes are read: most of what is refused is refused for its sender.
  const first = await inTransaction(ctx, async (tx) => {
    return (await findStored(tx, spoken)) ?? refusal(await judgeSpoken(tx, ctx, spoken))
  })
  if ('outcome' in first) return first
  const kept = await keepFile({ ctx, vault, store, input: { file, userId: first.userId, signal } })
  if ('code' in kept) {
    // Nothing is said in quiet hours.
    if (!first.heldUntil) await tellFilesLimit(ctx, first)
    return { outcome: 'refused', ...kept }
  }
  const { view, share } = kept
  try {
    return await inTransaction(ctx, (tx) => storeIn(tx, ctx, spoken, [view.id]))
  } finally {
    // Unless its message took it. A kill here leaves it to the sweep, like every upload that was left behind.
    const isDiscarded = await discardFile({ ctx, store, id: view.id })
    await share.settle(isDiscarded ? 0 : (view.sizeBytes ?? 0))
  }
}

async function keepFile({
  input,
  ...deps
}: {
  ctx: ConversationCtx
  vault: Vault
  store: Store
  input: { file: NonNullable<Spoken['file']>; userId: string; signal: AbortSignal }
}): Promise<Awaited<ReturnType<typeof storeInShare>> | NotSent> {
  const { file, userId, signal } = input
  try {
    // Its bytes say what it is.
    return await storeInShare({ ...deps, input: { ...file, userId, mimeType: '', signal } })
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== filesDayLimitCode) throw error
    const { code, detail } = error
    return { code, detail }
  }
}

async function tellFilesLimit(ctx: ConversationCtx, { userId, to }: Judged): Promise<void> {
  const day = await userDay(ctx.db, userId, new Date(ctx.clock.now()))
  const resetsAt = formatMoment(day.endsAt, day.timeZone)
  const text = texts.filesOutLimit(plan.fileMegabytesOutPerDay, resetsAt)
  const once = { kind: 'files_out_limit', key: day.date }
  await sendNotice({ ctx, input: { userId, to, code: once.kind, text, once } })
}

async function storeIn(
  tx: Transaction,
  ctx: ConversationCtx,
  spoken: Spoken,
  attachmentIds: string[],
): Promise<Taken> {
  const judged = refusal(await judgeSpoken(tx, ctx, spoken))
  // After the lock that the judgement takes: whoever hands it over at the same time has waited for it.
  const stored = await findStored(tx, spoken)
  if (stored) return stored
  if ('outcome' in judged) return judged
  const { userId, to, heldUntil, turnId } = judged
  const at = new Date(ctx.clock.now())
  const { text, traceParent } = spoken
  const message = { userId, to, kind: 'CHAT', text, traceParent, attachmentIds } as const
  const messageId = await storeOutgoing(tx, ctx, { ...message, ...(heldUntil && { heldUntil }) })
  await tx.spokenMessage.create({
    data: { hostServerId: spoken.hostId, key: spoken.key, userId, messageId, turnId, createdAt: at },
  })
  await tx.$executeRaw`
    INSERT INTO usage_daily AS d (user_id, date, outbound_count)
    SELECT id, (${at}::timestamptz AT TIME ZONE time_zone)::date, 1 FROM users WHERE id = ${userId}::uuid
    ON CONFLICT (user_id, date) DO UPDATE SET outbound_count = d.outbound_count + 1`
  return { outcome: 'stored', messageId }
}

async function findStored(tx: Transaction, { hostId, key }: Spoken): Promise<Taken | null> {
  const stored = await tx.spokenMessage.findUnique({
    where: { hostServerId_key: { hostServerId: hostId, key } },
    select: { messageId: true },
  })
  return stored && { outcome: 'stored', messageId: stored.messageId }
}

const refusal = (judged: Judged | NotSent): Judged | Taken =>
  'code' in judged ? { outcome: 'refused', ...judged } : judged
