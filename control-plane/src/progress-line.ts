import type { ChannelSenders } from './channels/sender.ts'
import type { TurnAudience } from './fleet/audience.ts'

/** How long a person looks at "typing…" before they wonder. */
const patienceMs = 20_000

/** Where an answer cannot be shown while it is written, one line says that a long one is on its way (M11). */
export function createProgressLine(deps: {
  senders: ChannelSenders
  /** Says so once a turn, whoever asks. Never rejects. */
  tell: (turnId: string) => void
}): TurnAudience {
  return {
    begin({ turnId, channel }) {
      const sender = deps.senders[channel]
      if (!sender || sender.preview) return undefined
      const timer = setTimeout(() => deps.tell(turnId), patienceMs)
      return { end: () => clearTimeout(timer) }
    },
  }
}
