import type { Transaction } from '@yourclaw/db'
import { hashKey } from './enqueue-mail.ts'

/** Takes back the mail with this key; `false` when there is none, or it is sent. The key may be used again. */
export async function withdrawMail({ tx, key }: { tx: Transaction; key: string }): Promise<boolean> {
  const { count } = await tx.mail.deleteMany({ where: { keyHash: hashKey(key), sentAt: null } })
  return count > 0
}
