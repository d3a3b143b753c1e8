import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { notFound } from '../../errors.ts'
import { findTool } from './catalogue.ts'

export interface PermissionView {
  tool: string
  /** "send mail for me" */
  label: string
  since: string
}

/** What the assistant may do without asking. */
export async function listPermissions({ ctx, input }: { ctx: Ctx; input: { userId: string } }) {
  const rows = await ctx.db.toolPermission.findMany({ where: input, orderBy: { createdAt: 'asc' } })
  return rows.flatMap(({ tool: name, createdAt }): PermissionView[] => {
    const tool = findTool(name)
    return tool?.kind === 'act' ? [{ tool: name, label: tool.label, since: createdAt.toISOString() }] : []
  })
}

/** From now on the assistant asks again. Errors: no_permission (404). */
export async function revokePermission({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; tool: string }
}): Promise<void> {
  const { userId, tool } = input
  await inTransaction(ctx, async (tx) => {
    const { count } = await tx.toolPermission.deleteMany({ where: input })
    if (count === 0) throw notFound('It asks about that already.', 'no_permission')
    await tx.auditEvent.create({
      data: {
        actor: `user:${userId}`,
        action: 'tool.permission_revoked',
        subject: `user:${userId}`,
        data: { tool },
      },
    })
    nudge(tx, 'user', userId)
  })
}
