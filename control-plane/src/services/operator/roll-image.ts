import { type Ctx, inTransaction } from '../../context.ts'
import { pinnedImage } from '../assistant/image.ts'
import { lockAssistant } from '../assistant/lock-assistant.ts'
import { recordChange } from '../assistant/record-change.ts'
import { triedAgain } from '../assistant/tried-again.ts'
import { findUser } from './find-user.ts'

export interface RollImageInput {
  /** Only this person's assistant: an id or e-mail address. */
  user?: string | undefined
  /** Only those on this host. */
  host?: string | undefined
  /** At most so many now. */
  count: number
  /** "operator:<email>" */
  actor: string
}

/**
 * Moves assistants that are there to the image that new ones run, those that changed longest ago first. Each is a change
 * of its own: what does not come up on it goes on as before, and says so. Errors: unknown_user (404).
 */
export async function rollImage({
  ctx,
  input,
}: {
  ctx: Ctx
  input: RollImageInput
}): Promise<{ rolled: number; left: number }> {
  const { host, actor, count } = input
  const userId = input.user === undefined ? undefined : (await findUser(ctx.db, input.user)).id
  const where = {
    desired: 'PRESENT' as const,
    ...(userId !== undefined && { userId }),
    ...(host !== undefined && { host: { name: host } }),
  }
  const pinned = await pinnedImage(ctx.db)
  const behind = { ...where, ...(pinned === null ? { image: { not: null } } : isNot(pinned)) }
  const next = await ctx.db.assistant.findMany({
    where: behind,
    select: { userId: true },
    orderBy: { updatedAt: 'asc' },
    take: count,
  })
  let rolled = 0
  for (const one of next) if (await moveOne(ctx, one.userId, actor)) rolled += 1
  return { rolled, left: await ctx.db.assistant.count({ where: behind }) }
}

/** In SQL a null is not different from anything. */
const isNot = (image: string) => ({ OR: [{ image: null }, { image: { not: image } }] })

/** To what is pinned by then. */
const moveOne = (ctx: Ctx, userId: string, actor: string) =>
  inTransaction(ctx, async (tx) => {
    const assistant = await lockAssistant(tx, userId)
    const image = await pinnedImage(tx)
    if (assistant.desired === 'ABSENT' || assistant.image === image) return false
    await recordChange(tx, assistant, 'IMAGE', { image, ...triedAgain(assistant) })
    await tx.auditEvent.create({
      data: { actor, action: 'assistant.rolled', subject: `user:${userId}`, data: { image } },
    })
    return true
  })
