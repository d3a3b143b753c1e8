import type { Transaction } from '@yourclaw/db'
import { z } from 'zod'
import { notFound } from '../../errors.ts'

/** Of whom an operator speaks, by id or e-mail address. Throws unknown_user (404). */
export async function findUser(
  tx: Pick<Transaction, 'user'>,
  who: string,
): Promise<{ id: string; email: string }> {
  const where = z.guid().safeParse(who).success ? { id: who } : { email: who.trim().toLowerCase() }
  const user = await tx.user.findUnique({ where, select: { id: true, email: true } })
  if (!user) throw notFound('There is no such user.', 'unknown_user')
  return user
}
