import type { Deps } from './deps.ts'
import type { Answered } from './fleet/deps.ts'

/** An answer that comes sooner needs no sign that it is on its way. */
const patienceMs = 300

/** Shows "typing…" on the phone until what it returns is called, again before it would fade (M11). */
export function createTyping({ senders, ctx }: Pick<Deps, 'senders' | 'ctx'>) {
  return ({ channel, address, replyTo }: Answered): (() => void) => {
    const sender = senders[channel]
    if (!sender) return () => {}
    let next: NodeJS.Timeout
    const show = () => {
      // Not awaited by the turn: a slow provider must not slow the answer down.
      sender.typing(address, replyTo).catch((err: unknown) => ctx.log.debug({ err }, 'typing was not shown'))
      next = setTimeout(show, sender.typingLastsMs * 0.8)
    }
    next = setTimeout(show, patienceMs)
    return () => clearTimeout(next)
  }
}
