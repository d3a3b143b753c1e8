import { type ChannelSender, SendError } from './channels/sender.ts'
import type { Deps } from './deps.ts'
import type { TurnAudience, TurnListener } from './fleet/audience.ts'
import { createPace } from './lib/pace.ts'
import { draftIdOf } from './services/conversation/draft-id.ts'

/** An answer that is whole by then goes out as it is. */
const patienceMs = 10
/** A chat takes about one call a second (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this). */
const everyMs = 1_000
/** A draft fades after 30 seconds. */
const keepAliveMs = 20_000
/** Silence after which the person is shown that it thinks, with a way to stop it. */
const silenceMs = 3_000
/** Of the 30 calls a second that the bot may make in all; answers need the others. */
const perSecond = 15

interface Showing {
  sender: ChannelSender & Required<Pick<ChannelSender, 'preview'>>
  address: string
  draftId: number
}

/**
 * Shows an answer on the phone while it is written (M11). A preview fades by itself and is replaced by the answer, so
 * nothing is left of it when this process dies.
 */
export function createPreview({ senders, ctx }: Pick<Deps, 'senders' | 'ctx'>): TurnAudience {
  const pace = createPace(ctx.clock, { perSecond, burst: perSecond })
  /** The provider asked for silence until then. */
  let quietUntilMs = 0

  /** Resolves with how long to wait before the next one; null = there is none. */
  async function show({ sender, address, draftId }: Showing, text: string): Promise<number | null> {
    const waitMs = Math.max(quietUntilMs - ctx.clock.now(), pace.take())
    if (waitMs > 0) return waitMs
    try {
      await sender.preview(address, draftId, text)
      return 0
    } catch (error) {
      ctx.log.debug({ err: error }, 'a preview was not shown')
      if (!(error instanceof SendError) || error.kind !== 'retry') return null
      quietUntilMs = Math.max(quietUntilMs, ctx.clock.now() + (error.retryAfterMs ?? 0))
      return everyMs
    }
  }

  function listen(showing: Showing): TurnListener {
    let newest = ''
    let shown: string | undefined
    let isOver = false
    let timer: NodeJS.Timeout
    let calling: Promise<void> | undefined
    let calledAtMs = Number.NEGATIVE_INFINITY
    const after = (delayMs: number) => {
      clearTimeout(timer)
      if (!isOver) timer = setTimeout(onTime, delayMs)
    }
    const onTime = () => {
      calling = call()
    }
    const call = async () => {
      const text = newest
      calledAtMs = ctx.clock.now()
      const waitMs = await show(showing, text)
      calling = undefined
      if (waitMs === null) isOver = true
      if (waitMs === 0) shown = text
      after(waitMs || (newest === shown ? keepAliveMs : everyMs))
    }
    after(silenceMs)
    return {
      text(soFar) {
        const isIdle = newest === (shown ?? '')
        newest = soFar
        // Otherwise it is on its way, or shown with the next one.
        if (isIdle && !calling) after(Math.max(patienceMs, calledAtMs + everyMs - ctx.clock.now()))
      },
      async settle() {
        isOver = true
        clearTimeout(timer)
        await calling
      },
      end() {
        isOver = true
        clearTimeout(timer)
      },
    }
  }

  return {
    begin({ turnId, channel, address }) {
      const sender = senders[channel]
      return canPreview(sender) ? listen({ sender, address, draftId: draftIdOf(turnId) }) : undefined
    },
  }
}

const canPreview = (sender: ChannelSender | undefined): sender is Showing['sender'] =>
  sender?.preview !== undefined
