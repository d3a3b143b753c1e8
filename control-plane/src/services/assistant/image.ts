import type { Transaction } from '@yourclaw/db'
import { invalidInput } from '../../errors.ts'

/** What a new assistant runs; null = what its host runs by default. */
export async function pinnedImage(tx: Pick<Transaction, 'assistantImage'>): Promise<string | null> {
  const newest = await tx.assistantImage.findFirst({ orderBy: { id: 'desc' } })
  return newest?.image ?? null
}

/** name@sha256:…, which a host without it pulls, or sha256:…, which must be there. A tag may name another one tomorrow. */
const byDigest = /^([a-z0-9][a-z0-9._:/-]{0,200}@)?sha256:[0-9a-f]{64}$/

/** Throws invalid_image. */
export function requireDigest(image: string): void {
  if (!byDigest.test(image)) {
    throw invalidInput('An image is named by its digest: name@sha256:… or sha256:….', 'invalid_image')
  }
}
