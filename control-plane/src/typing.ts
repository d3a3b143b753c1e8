import type { Deps } from './deps.ts'
import type { TurnAudience } from './fleet/audience.ts'

/** An answer that comes sooner needs no sign that it is on its way. */
const patienceMs = 300

/** Shows "typing…" on the phone for as long as a turn is carried, again before it would fade (M11). */
export function createTyping({ senders, ctx }: Pick<Deps, 'senders' | 'ctx'>): TurnAudience {
  return {
    begin({ channel, address, replyTo }) {
      const sender = senders[channel]
      if (!sender) return undefined
      let next: NodeJS.Timeout
      const show = () => {
        sender
          .typing(address, replyTo)
          .catch((err: unknown) => ctx.log.debug({ err }, 'typing was not shown'))
        next = setTimeout(show, sender.typingLastsMs * 0.8)
      }
      next = setTimeout(show, patienceMs)
      return { end: () => clearTimeout(next) }
    },
  }
}
