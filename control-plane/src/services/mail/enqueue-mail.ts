import { createHash } from 'node:crypto'
import type { Prisma, Transaction } from '@yourclaw/db'
import { nudge } from '../../context.ts'
import { type MailName, type MailProps, mailTemplates } from '../../mail/templates.ts'

export interface MailInput<Name extends MailName> {
  tx: Transaction
  /** One address, or several that may see each other (operators). Nobody = no mail. */
  to: string | readonly string[]
  template: Name
  props: MailProps<Name>
  /** A mail is sent at most once per key: name what it is about (`trial-ending:<subscription>:<end>`). */
  key: string
}

/**
 * Sends a mail once the caller's transaction commits; `false` when there was one with this key. Whatever becomes of the
 * mail, the caller's action stands. Only within `inTransaction`.
 */
export async function enqueueMail<Name extends MailName>(input: MailInput<Name>): Promise<boolean> {
  const { tx, template, props, key } = input
  const recipients = typeof input.to === 'string' ? [input.to] : [...input.to]
  if (recipients.length === 0) return false
  // Parsed now, where the mistake is, and not in a job hours later.
  const stored = mailTemplates[template].props.parse(props) as Prisma.InputJsonObject
  const data = { keyHash: hashKey(key), template, recipients, props: stored }
  const { count } = await tx.mail.createMany({ data: [data], skipDuplicates: true })
  if (count > 0) nudge(tx, 'mails', '')
  return count > 0
}

export const hashKey = (key: string) => createHash('sha256').update(key).digest('hex')
