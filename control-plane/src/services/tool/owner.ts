import { z } from 'zod'
import type { Ctx } from '../../context.ts'
import { notFound } from '../../errors.ts'

/** Whose assistant calls: one that is placed on the host that says so (S5). Throws assistant_unknown (404). */
export async function ownerOf(
  ctx: Ctx,
  { hostId, assistantId }: { hostId: string; assistantId: string },
): Promise<string> {
  const isId = z.guid().safeParse(assistantId).success
  const where = { id: assistantId, hostServerId: hostId }
  const found = isId ? await ctx.db.assistant.findFirst({ where, select: { userId: true } }) : null
  if (!found) throw notFound('That assistant is not on this host.', 'assistant_unknown')
  return found.userId
}
