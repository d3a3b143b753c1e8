import type { Transaction } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { addressHash } from '../conversation/rows.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'

/**
 * Removes every row about a person, and enqueues the mail that says so. What hangs on `users` goes with it; the rest is
 * named here, and a test looks for the person in every table. Kept: the hash of an address that wrote STOP.
 */
export async function eraseRows(tx: Transaction, ctx: Ctx, userId: string): Promise<void> {
  const [user] = await tx.$queryRaw<{ email: string; name: string }[]>`
    SELECT email, name FROM users WHERE id = ${userId}::uuid FOR UPDATE`
  // Another replica was first.
  if (user === undefined) return
  const addresses = await tx.$queryRaw<{ channel: string; address: string }[]>`
    SELECT channel::text, address FROM user_phones WHERE user_id = ${userId}::uuid
    UNION SELECT channel::text, address FROM messages WHERE user_id = ${userId}::uuid`
  const hashes = addresses.map(addressHash)
  const actor = `user:${userId}`
  await tx.notice.deleteMany({ where: { scope: { in: [userId, ...hashes] } } })
  await tx.channelContact.deleteMany({ where: { addressHash: { in: hashes }, optedOutAt: null } })
  await tx.auditEvent.deleteMany({ where: { OR: [{ actor }, { subject: actor }] } })
  await tx.rateLimit.deleteMany({ where: { key: { contains: userId } } })
  await tx.mail.deleteMany({ where: { recipients: { has: user.email } } })
  await forgetJobs(
    tx,
    addresses.map(({ address }) => address),
  )
  await tx.user.delete({ where: { id: userId } })
  const { email, name } = user
  const key = `account-deleted:${userId}`
  await enqueueMail({ tx, to: email, template: 'account-deleted', props: { name }, key })
  await tx.auditEvent.create({ data: { actor: 'system', action: 'account.deleted', subject: 'user' } })
  ctx.log.info('an account was deleted')
}

/** Jobs and dead letters name whom they are for; their messages are gone with the user. */
async function forgetJobs(tx: Transaction, addresses: string[]): Promise<void> {
  await tx.$executeRaw`DELETE FROM pgboss.job WHERE data->>'address' = ANY(${addresses}::text[])`
}
