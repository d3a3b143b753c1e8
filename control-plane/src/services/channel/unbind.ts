import type { Channel } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'

/** Ends a user's live binding; its pending codes end with it. `unbound` is false when there was none. */
export function unbind({ ctx, input }: { ctx: Ctx; input: { userId: string; channel: Channel } }) {
  const { userId, channel } = input
  return inTransaction(ctx, async (tx): Promise<{ unbound: boolean }> => {
    const unboundAt = new Date(ctx.clock.now())
    await tx.bindCode.deleteMany({ where: { userId, channel, usedAt: null } })
    nudge(tx, 'user', userId)
    const ended = await tx.userPhone.updateMany({
      where: { userId, channel, unboundAt: null },
      data: { unboundAt },
    })
    if (ended.count === 0) return { unbound: false }
    await tx.auditEvent.create({
      data: {
        actor: `user:${userId}`,
        action: 'channel.unbound',
        subject: `user:${userId}`,
        data: { channel },
      },
    })
    return { unbound: true }
  })
}
