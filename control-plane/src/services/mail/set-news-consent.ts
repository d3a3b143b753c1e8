import type { Ctx } from '../../context.ts'
import { notFound, ServiceError } from '../../errors.ts'
import { MailError, type Mailer } from '../../mail/mailer.ts'

/**
 * Puts a person on the list for news, or takes them off; nobody is on it who did not ask. The list changes first, so
 * that what is stored is never less than what was done. Idempotent. Errors: mail_unavailable (503, retryable).
 */
export async function setNewsConsent({
  ctx,
  mailer,
  input,
}: {
  ctx: Ctx
  mailer: Mailer
  input: { userId: string; consent: boolean }
}): Promise<void> {
  const { userId, consent } = input
  const user = await ctx.db.user.findUnique({ where: { id: userId } })
  if (user === null) throw notFound('There is no such user.', 'user_not_found')
  if (consent === (user.newsConsentAt !== null)) return
  try {
    await mailer.listForNews(user.email, consent)
  } catch (cause) {
    if (!(cause instanceof MailError)) throw cause
    const detail = 'The mail provider does not answer. Try again in a moment.'
    throw new ServiceError(503, 'mail_unavailable', detail, { cause, retryable: true })
  }
  const newsConsentAt = consent ? new Date(ctx.clock.now()) : null
  await ctx.db.user.update({ where: { id: userId }, data: { newsConsentAt } })
}
