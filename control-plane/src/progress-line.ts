import type { Deps } from './deps.ts'
import type { TurnAudience } from './fleet/audience.ts'
import { tellProgress } from './services/conversation/tell-progress.ts'

/** How long a person looks at "typing…" before they wonder. */
const patienceMs = 20_000

/** Where an answer cannot be shown while it is written, one line says that a long one is on its way (M11). */
export function createProgressLine({ senders, ctx }: Pick<Deps, 'senders' | 'ctx'>): TurnAudience {
  return {
    begin({ turnId, channel }) {
      const sender = senders[channel]
      if (!sender || sender.preview) return undefined
      const timer = setTimeout(() => {
        tellProgress({ ctx, input: { turnId } }).catch((err: unknown) =>
          ctx.log.warn({ err, turnId }, 'progress was not told'),
        )
      }, patienceMs)
      return { end: () => clearTimeout(timer) }
    },
  }
}
