import type { Deps } from './deps.ts'
import type { Answered } from './fleet/deps.ts'

/** Shows "typing…" on the phone until what it returns is called, again before it would fade (M11). */
export function createTyping({ senders, ctx }: Pick<Deps, 'senders' | 'ctx'>) {
  return ({ channel, address, replyTo }: Answered): (() => void) => {
    const sender = senders[channel]
    if (!sender) return () => {}
    // Not awaited by the turn: a slow provider must not slow the answer down.
    const show = () =>
      sender.typing(address, replyTo).catch((err: unknown) => ctx.log.debug({ err }, 'typing was not shown'))
    void show()
    const again = setInterval(show, sender.typingLastsMs * 0.8)
    return () => clearInterval(again)
  }
}
