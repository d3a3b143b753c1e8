import type { Transaction } from '@yourclaw/db'
import { enqueueMail } from './enqueue-mail.ts'

/** A mail that says nothing but what its template does, to a user. At most once per key; false for nobody. */
export async function mailPerson(input: {
  tx: Transaction
  userId: string
  template: 'assistant-ready' | 'provisioning-failed' | 'welcome'
  key: string
}): Promise<boolean> {
  const { tx, userId, template, key } = input
  const user = await tx.user.findUnique({ where: { id: userId } })
  if (user === null) return false
  const props = { name: user.name, timeZone: user.timeZone }
  return enqueueMail({ tx, to: user.email, template, props, key })
}
