import { createHash } from 'node:crypto'
import { type KeyRefused, Provider } from '@yourclaw/proto/host/v1'
import { z } from 'zod'
import { inTransaction } from '../../context.ts'
import type { Vault } from '../../lib/vault.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { sendNoticeIn } from '../conversation/send-notice.ts'
import { texts } from '../conversation/texts.ts'
import { applyKeys } from './apply-keys.ts'

const named = {
  [Provider.PROVIDER_ANTHROPIC]: { provider: 'ANTHROPIC', name: 'Anthropic' },
  [Provider.PROVIDER_OPENAI]: { provider: 'OPENAI', name: 'OpenAI' },
  [Provider.PROVIDER_GOOGLE]: { provider: 'GOOGLE', name: 'Google' },
} as const

/**
 * A provider refused a key of somebody's own, says their host: it is marked, not used any more, and the person is told
 * once. A key that was replaced meanwhile is left alone.
 */
export async function markRefused({
  ctx,
  vault,
  input,
}: {
  ctx: ConversationCtx
  vault: Vault
  input: { hostId: string; refused: KeyRefused }
}): Promise<void> {
  const { assistantId, provider: number, keySha256 } = input.refused
  const found = (named as Partial<Record<Provider, (typeof named)[keyof typeof named]>>)[number]
  if (!found || !z.guid().safeParse(assistantId).success) return
  const key = await ctx.db.apiKey.findFirst({
    where: {
      provider: found.provider,
      invalidSince: null,
      user: { assistant: { id: assistantId, hostServerId: input.hostId } },
    },
  })
  if (!key) return
  const digest = createHash('sha256')
    .update(await vault.open(key.encryptedKey))
    .digest('hex')
  if (digest !== keySha256) return
  await inTransaction(ctx, async (tx) => {
    const { count } = await tx.apiKey.updateMany({
      where: { id: key.id, encryptedKey: key.encryptedKey, invalidSince: null },
      data: { invalidSince: new Date(ctx.clock.now()) },
    })
    if (count === 0) return
    await applyKeys(tx, key.userId)
    const text = texts.keyInvalid(found.name, ctx.settings.webUrl)
    await sendNoticeIn(tx, ctx, { userId: key.userId, code: 'key_invalid', text })
  })
}
