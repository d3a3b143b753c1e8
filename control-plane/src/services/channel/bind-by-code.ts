import type { Channel, Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { hashCode } from './start-binding.ts'

export interface BindInput {
  channel: Channel
  code: string
  /** The opaque provider address the code came from (I2). */
  address: string
  /** For people only; never used to find anybody. */
  username?: string
  chatId?: bigint
  /** When the channel shows one. */
  phoneE164?: string
}

/** `address_taken` = another account has this address; the code stays good for another one. */
export type BindResult = { outcome: 'bound'; userId: string } | { outcome: 'invalid_code' | 'address_taken' }

/** Binds the address a code was sent from. The same code from the same address again is a success. */
export function bindByCode({ ctx, input }: { ctx: Ctx; input: BindInput }): Promise<BindResult> {
  const { channel, address } = input
  const codeHash = hashCode(input.code)
  return inTransaction(ctx, async (tx) => {
    const now = new Date(ctx.clock.now())
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`bind:${channel}:${address}`}, 0))`
    const rows = await tx.$queryRaw<{ userId: string; usedAt: Date | null; expiresAt: Date }[]>`
      SELECT user_id AS "userId", used_at AS "usedAt", expires_at AS "expiresAt" FROM bind_codes
      WHERE code_hash = ${codeHash} AND channel = ${channel}::"Channel" FOR UPDATE`
    const code = rows[0]
    if (!code) return { outcome: 'invalid_code' }
    const { userId } = code
    const holder = await tx.userPhone.findFirst({ where: { channel, address, unboundAt: null } })
    if (code.usedAt)
      return holder?.userId === userId ? { outcome: 'bound', userId } : { outcome: 'invalid_code' }
    if (code.expiresAt <= now) return { outcome: 'invalid_code' }
    if (holder && holder.userId !== userId) {
      // The person whose code it is learns that this chat is taken, and not by whom.
      await tx.bindCode.update({ where: { codeHash }, data: { refusedAt: now } })
      nudge(tx, 'user', userId)
      return { outcome: 'address_taken' }
    }
    await tx.bindCode.update({ where: { codeHash }, data: { usedAt: now } })
    if (!holder) await bindIn(tx, userId, input, now)
    return { outcome: 'bound', userId }
  })
}

/** A user has one live address a channel: a new one takes the place of the old. */
async function bindIn(tx: Transaction, userId: string, input: BindInput, now: Date) {
  const { channel, address } = input
  // Two codes of one user, used from two chats at once, come one after the other.
  await tx.$queryRaw`SELECT id FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`
  await tx.userPhone.updateMany({ where: { userId, channel, unboundAt: null }, data: { unboundAt: now } })
  await tx.userPhone.create({
    data: {
      userId,
      channel,
      address,
      telegramUsername: input.username ?? null,
      telegramChatId: input.chatId ?? null,
      phoneE164: input.phoneE164 ?? null,
      boundAt: now,
    },
  })
  await tx.auditEvent.create({
    data: { actor: `user:${userId}`, action: 'channel.bound', subject: `user:${userId}`, data: { channel } },
  })
  nudge(tx, 'user', userId)
}
