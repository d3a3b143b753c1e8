import { type Ctx, inTransaction } from '../../context.ts'
import { invalidInput, ServiceError } from '../../errors.ts'
import type { Vault } from '../../lib/vault.ts'
import { applyKeys } from './apply-keys.ts'
import type { CheckKey, KeyProvider } from './check-key.ts'

/**
 * Stores a key of the person's own, sealed, once its provider has accepted it; it replaces an earlier one and is used
 * at once, without a restart. Errors: key_invalid (400), provider_unavailable (503, retryable).
 */
export async function storeKey({
  ctx,
  vault,
  checkKey,
  input,
}: {
  ctx: Ctx
  vault: Vault
  checkKey: CheckKey
  input: { userId: string; provider: KeyProvider; key: string }
}): Promise<void> {
  const { userId, provider, key } = input
  const verdict = await checkKey(provider, key)
  if (verdict === 'invalid') throw invalidInput('The provider does not accept this key.', 'key_invalid')
  if (verdict === 'unknown') {
    const detail = 'The provider could not be asked about this key. Try again in a moment.'
    throw new ServiceError(503, 'provider_unavailable', detail, { retryable: true })
  }
  const encryptedKey = await vault.seal(key)
  await inTransaction(ctx, async (tx) => {
    const createdAt = new Date(ctx.clock.now())
    await tx.apiKey.upsert({
      where: { userId_provider: { userId, provider } },
      create: { userId, provider, encryptedKey, createdAt },
      update: { encryptedKey, createdAt, invalidSince: null },
    })
    await applyKeys(tx, userId)
  })
}
