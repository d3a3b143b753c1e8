import { type Ctx, inTransaction } from '../../context.ts'
import { notFound, ServiceError } from '../../errors.ts'
import { sanitize } from '../conversation/sanitize.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'

export interface FeedbackInput {
  userId: string
  kind: 'FEEDBACK' | 'TOOL'
  text: string
  /** The same twice is one mail. */
  key: string
}

/** Mails operators what a person wants to tell them. Errors: feedback_unavailable (503) where nobody reads it. */
export async function sendFeedback({ ctx, input }: { ctx: Ctx; input: FeedbackInput }): Promise<void> {
  const { userId, kind, text, key } = input
  const to = ctx.settings.operatorEmails
  if (to.length === 0)
    throw new ServiceError(503, 'feedback_unavailable', 'Nobody reads messages here yet.', {
      retryable: true,
    })
  const user = await ctx.db.user.findUnique({ where: { id: userId }, select: { email: true } })
  if (user === null) throw notFound('There is no such user.', 'user_not_found')
  const props = { email: user.email, kind, text: sanitize(text) }
  await inTransaction(ctx, (tx) =>
    enqueueMail({ tx, to, template: 'operator-feedback', props, key: `feedback:${userId}:${key}` }),
  )
}
