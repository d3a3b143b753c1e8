import type { Deps } from './deps.ts'
import type { TurnProgress } from './fleet/deps.ts'

const rememberedTurns = 10_000

/** Shows "typing…" on the phone while an answer grows, again before it would fade. */
export function createTyping({ senders, ctx }: Pick<Deps, 'senders' | 'ctx'>) {
  const shownAtMs = new Map<string, number>()
  return async ({ turnId, channel, address, replyTo }: TurnProgress): Promise<void> => {
    const now = ctx.clock.now()
    const sender = senders[channel]
    if (!sender || now - (shownAtMs.get(turnId) ?? 0) < sender.typingLastsMs * 0.8) return
    shownAtMs.set(turnId, now)
    if (shownAtMs.size > rememberedTurns) shownAtMs.clear()
    // Not awaited by the turn: a slow provider must not slow the answer down.
    sender.typing(address, replyTo).catch((err: unknown) => ctx.log.debug({ err }, 'typing was not shown'))
  }
}
