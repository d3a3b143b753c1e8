import type { Ctx } from '../../context.ts'
import { sanitize } from '../conversation/sanitize.ts'
import { type Identity, identifyUser } from './identify-user.ts'

/** A person came back from the identity provider: finds or makes their account, and notes it. Errors: identifyUser's. */
export async function signIn({ ctx, input }: { ctx: Ctx; input: Identity }): Promise<{ userId: string }> {
  const name = sanitize(input.name ?? '')
    .trim()
    .slice(0, 200)
  const { id: userId } = await identifyUser({ ctx, input: { ...input, name } })
  const actor = `user:${userId}`
  await ctx.db.auditEvent.create({
    data: { actor, action: 'account.signed_in', subject: actor, data: { issuer: input.issuer } },
  })
  return { userId }
}
