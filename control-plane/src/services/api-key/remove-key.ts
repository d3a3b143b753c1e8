import { type Ctx, inTransaction } from '../../context.ts'
import { notFound } from '../../errors.ts'
import { applyKeys } from './apply-keys.ts'
import type { KeyProvider } from './check-key.ts'

/** Forgets a key. Answers what its provider's models run on from now on. Errors: no_key (404). */
export async function removeKey({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; provider: KeyProvider }
}): Promise<{ fallsBackTo: 'SHARED' | 'NONE' }> {
  await inTransaction(ctx, async (tx) => {
    const { count } = await tx.apiKey.deleteMany({ where: input })
    if (count === 0) throw notFound('There is no key for this provider.', 'no_key')
    await applyKeys(tx, input.userId)
  })
  return { fallsBackTo: ctx.settings.sharedProviders.includes(input.provider) ? 'SHARED' : 'NONE' }
}
