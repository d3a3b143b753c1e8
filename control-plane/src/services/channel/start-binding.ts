import { createHash, randomBytes } from 'node:crypto'
import { type Ctx, inTransaction } from '../../context.ts'

const codeLifeMs = 15 * 60_000

export const hashCode = (code: string) => createHash('sha256').update(code).digest('hex')

/** A one-time deep link; opening it from a chat proves possession of that chat (I1). Older codes stop working. */
export function startBinding({ ctx, input }: { ctx: Ctx; input: { userId: string; channel: 'TELEGRAM' } }) {
  const { userId, channel } = input
  return inTransaction(ctx, async (tx): Promise<{ bindUrl: string; code: string; expiresAt: Date }> => {
    // 32 characters of base64url: Telegram takes up to 64 of A-Z a-z 0-9 _ - as the start parameter.
    const code = randomBytes(24).toString('base64url')
    const now = ctx.clock.now()
    const expiresAt = new Date(now + codeLifeMs)
    await tx.bindCode.deleteMany({ where: { userId, channel, usedAt: null } })
    await tx.bindCode.create({
      data: { codeHash: hashCode(code), userId, channel, expiresAt, createdAt: new Date(now) },
    })
    return { bindUrl: `https://t.me/${ctx.settings.telegramBotUsername}?start=${code}`, code, expiresAt }
  })
}
