import type { Deps } from './deps.ts'
import type { TurnProgress } from './fleet/deps.ts'

const typingIntervalMs = 4_000
const rememberedTurns = 10_000

/** Shows "typing…" on the phone while an answer grows; Telegram's lasts five seconds. */
export function createTyping({ telegram, ctx }: Pick<Deps, 'telegram' | 'ctx'>) {
  const shownAtMs = new Map<string, number>()
  return async ({ turnId, channel, address }: TurnProgress): Promise<void> => {
    const now = ctx.clock.now()
    if (channel !== 'TELEGRAM' || now - (shownAtMs.get(turnId) ?? 0) < typingIntervalMs) return
    shownAtMs.set(turnId, now)
    if (shownAtMs.size > rememberedTurns) shownAtMs.clear()
    // Not awaited by the turn: a slow provider must not slow the answer down.
    telegram.typing(address).catch((err: unknown) => ctx.log.debug({ err }, 'typing was not shown'))
  }
}
