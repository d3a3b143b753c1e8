import { createHash, randomBytes } from 'node:crypto'
import { type Ctx, inTransaction, nudge } from '../../context.ts'

const codeLifeMs = 15 * 60_000

export const hashCode = (code: string) => createHash('sha256').update(code).digest('hex')

export type BindableChannel = 'TELEGRAM' | 'WHATSAPP'

/** A one-time link; what it sends from a chat proves possession of that chat (I1). Older codes stop working. */
export function startBinding({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; channel: BindableChannel }
}) {
  const { userId, channel } = input
  return inTransaction(ctx, async (tx): Promise<{ bindUrl: string; code: string; expiresAt: Date }> => {
    const { newCode, linkFor } = ways[channel]
    const chatUrl = ctx.settings.chatUrls[channel]
    const code = newCode()
    const now = ctx.clock.now()
    const expiresAt = new Date(now + codeLifeMs)
    await tx.bindCode.deleteMany({ where: { userId, channel, usedAt: null } })
    await tx.bindCode.create({
      data: { codeHash: hashCode(code), userId, channel, expiresAt, createdAt: new Date(now) },
    })
    nudge(tx, 'user', userId)
    return { bindUrl: linkFor(chatUrl, code), code, expiresAt }
  })
}

const ways: Record<
  BindableChannel,
  { newCode: () => string; linkFor: (chatUrl: string, code: string) => string }
> = {
  TELEGRAM: {
    // 32 characters of base64url: Telegram takes up to 64 of A-Z a-z 0-9 _ - as the start parameter.
    newCode: () => randomBytes(24).toString('base64url'),
    linkFor: (chatUrl, code) => `${chatUrl}?start=${code}`,
  },
  WHATSAPP: {
    newCode: newWhatsappCode,
    linkFor: (chatUrl, code) => `${chatUrl}?text=${encodeURIComponent(`Connect my assistant: ${code}`)}`,
  },
}

/** Letters that are not mistaken for others: the code may be typed from another screen. 80 bits. */
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'

function newWhatsappCode(): string {
  return `YC-${[...randomBytes(16)].map((byte) => alphabet[byte % alphabet.length]).join('')}`
}

/** The code in a WhatsApp message, in whatever words and case it came. */
export function whatsappCodeIn(body: string): string | undefined {
  return /\bYC-[A-HJ-NP-Z2-9]{16}\b/i.exec(body)?.[0].toUpperCase()
}
