import type { Ctx } from '../../context.ts'
import { type KeyProvider, keyProviders } from './check-key.ts'

export interface KeyView {
  provider: KeyProvider
  createdAt: string
  /** Since when the provider has refused it; it is not used any more. */
  invalidSince?: string
}

/** The person's own keys, without their values (S7). */
export async function listKeys({ ctx, input }: { ctx: Ctx; input: { userId: string } }): Promise<KeyView[]> {
  const rows = await ctx.db.apiKey.findMany({
    where: { userId: input.userId },
    select: { provider: true, createdAt: true, invalidSince: true },
  })
  return keyProviders.flatMap((provider) => {
    const row = rows.find((candidate) => candidate.provider === provider)
    if (!row) return []
    const { createdAt, invalidSince } = row
    return [
      {
        provider,
        createdAt: createdAt.toISOString(),
        ...(invalidSince && { invalidSince: invalidSince.toISOString() }),
      },
    ]
  })
}
