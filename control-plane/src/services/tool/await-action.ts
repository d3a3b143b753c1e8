import type { ToolAction } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import type { Notifications } from '../../lib/notifications.ts'
import { isOver } from './read-status.ts'

/** Long enough for somebody who has the chat open, and well within a turn. */
const patienceMs = 45_000
/** For a word of the database that was lost. */
const lookMs = 5_000

/** Waits until nothing more becomes of an action, or for as long as a call may take; returns how it stands. */
export async function awaitAction({
  ctx,
  notifications,
  input,
}: {
  ctx: Ctx
  notifications: Pick<Notifications, 'on'>
  input: { id: string; userId: string; signal: AbortSignal }
}): Promise<ToolAction> {
  const { id, userId } = input
  const over = AbortSignal.any([input.signal, AbortSignal.timeout(patienceMs)])
  let woken = Promise.withResolvers<void>()
  const wake = () => woken.resolve()
  const off = notifications.on('actions', (about) => {
    if (about === userId || about === '') wake()
  })
  const looking = setInterval(wake, lookMs)
  over.addEventListener('abort', wake)
  try {
    for (;;) {
      woken = Promise.withResolvers()
      const action = await ctx.db.toolAction.findUniqueOrThrow({ where: { id } })
      if (over.aborted || isOver(action, ctx.clock.now())) return action
      await woken.promise
    }
  } finally {
    off()
    clearInterval(looking)
    over.removeEventListener('abort', wake)
  }
}
