import { type Ctx, inTransaction } from '../../context.ts'
import { notFound } from '../../errors.ts'
import { resumeAssistantIn } from '../assistant/resume-assistant.ts'
import { suspendAssistantIn } from '../assistant/suspend-assistant.ts'
import { findUser } from './find-user.ts'

export interface SuspendInput {
  /** Id or e-mail address. */
  user: string
  /** For the audit and for other operators; the user does not see it. */
  reason: string
  /** "operator:<email>" */
  actor: string
}

/**
 * Stops a person's assistant on an operator's word; its data stays, and its messages wait. `changed` is false when it
 * was. Errors: unknown_user, no_assistant (404).
 */
export function suspend({ ctx, input }: { ctx: Ctx; input: SuspendInput }): Promise<{ changed: boolean }> {
  const { reason: note, actor } = input
  return inTransaction(ctx, async (tx) => {
    const { id: userId } = await findUser(tx, input.user)
    const { changed } = await suspendAssistantIn(tx, ctx, { userId, reason: 'operator', note })
    const assistant = changed ? null : await tx.assistant.findUnique({ where: { userId } })
    if (assistant?.desired === 'ABSENT') throw notFound('That user has no assistant.', 'no_assistant')
    if (changed) {
      const event = {
        actor,
        action: 'assistant.suspended',
        subject: `user:${userId}`,
        data: { reason: note },
      }
      await tx.auditEvent.create({ data: event })
    }
    return { changed }
  })
}

/** Takes the operators' word back; it runs again unless something else keeps it stopped. Errors: unknown_user, no_assistant. */
export function resume({
  ctx,
  input,
}: {
  ctx: Ctx
  input: SuspendInput
}): Promise<{ changed: boolean; stillSuspendedFor: string[] }> {
  const { reason, actor } = input
  return inTransaction(ctx, async (tx) => {
    const { id: userId } = await findUser(tx, input.user)
    const { changed } = await resumeAssistantIn(tx, ctx, { userId, reason: 'operator' })
    if (changed) {
      const event = { actor, action: 'assistant.resumed', subject: `user:${userId}`, data: { reason } }
      await tx.auditEvent.create({ data: event })
    }
    const { suspendedReasons } = await tx.assistant.findUniqueOrThrow({ where: { userId } })
    return { changed, stillSuspendedFor: suspendedReasons }
  })
}
