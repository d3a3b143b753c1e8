import type { Ctx } from '../../context.ts'
import { forbidden } from '../../errors.ts'

/** The audit's name of a signed-in operator. Throws not_an_operator (403) for everyone else. */
export async function requireOperator({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string }
}): Promise<{ actor: string }> {
  const user = await ctx.db.user.findUnique({ where: { id: input.userId }, select: { email: true } })
  if (!user || !ctx.settings.operatorEmails.includes(user.email.toLowerCase())) {
    throw forbidden('This is for operators.', 'not_an_operator')
  }
  return { actor: `operator:${user.email}` }
}
