import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { TurnInputMessages } from './deps.ts'

/** Whom a turn answers. `replyTo` is the provider's id of the newest message that is answered. */
export type Answered = Pick<TurnInputMessages, 'userId' | 'channel' | 'address' | 'replyTo'>
export type WatchedTurn = Answered & { turnId: string }

/**
 * How one stream of a turn ended. `answered`, `failed` and `canceled` end the turn. `cut` does not: what was shown may
 * still be answered, by another attempt or on another replica, and a new `begin` tells of it.
 */
export type TurnOutcome = 'answered' | 'failed' | 'canceled' | 'cut'

/** Hears of one turn while it is carried here. Calls never overlap; `end` is the last, and always comes. */
export interface TurnListener {
  /** All of the answer so far. One that is slow hears of less, and always of the newest. */
  text?(soFar: string): void | Promise<void>
  /** The answer is whole and about to be stored: shows nothing more. Waited for, though not for long. */
  settle?(): Promise<void>
  end?(outcome: TurnOutcome): void
}

/** Who watches turns being answered: the phone, the web, our own figures. Showing is not the turn: see `everyone`. */
export interface TurnAudience {
  /** Called when a turn's stream is carried here, before its first word. Undefined = does not care. */
  begin(turn: WatchedTurn): TurnListener | undefined
}

/** An answer waits so long for what is on its way to the phone, so that the two do not overtake each other. */
const settleMs = 300

/** Many as one: none of them can fail the turn, hold it up, or keep another from hearing. */
export function everyone(audiences: readonly TurnAudience[], log: Logger): TurnAudience {
  return {
    begin(turn) {
      const listeners = audiences.flatMap((audience) => {
        const failed = (err: unknown) =>
          log.warn({ err, turnId: turn.turnId }, 'a turn could not be shown to everyone')
        try {
          const listener = audience.begin(turn)
          return listener ? [patient(listener, failed)] : []
        } catch (error) {
          failed(error)
          return []
        }
      })
      return {
        text(soFar) {
          for (const { text } of listeners) text(soFar)
        },
        async settle() {
          await Promise.race([
            Promise.all(listeners.map(({ settle }) => settle())),
            delay(settleMs, undefined, { ref: false }),
          ])
        },
        end(outcome) {
          for (const { end } of listeners) end(outcome)
        },
      }
    },
  }
}

/** While one call goes on only the newest text waits for it, and the end. */
function patient(listener: TurnListener, failed: (error: unknown) => void) {
  let isBusy = false
  let next: string | undefined
  let ended: TurnOutcome | undefined

  function go(): void {
    try {
      while (!isBusy && next !== undefined) {
        const text = next
        next = undefined
        const shown = listener.text?.(text)
        if (shown) {
          isBusy = true
          shown.catch(failed).finally(() => {
            isBusy = false
            go()
          })
        }
      }
      if (isBusy || ended === undefined) return
      const outcome = ended
      ended = undefined
      listener.end?.(outcome)
    } catch (error) {
      failed(error)
      if (ended !== undefined) go()
    }
  }
  return {
    settle: async () => listener.settle?.().catch(failed),
    text(soFar: string) {
      next = soFar
      go()
    },
    end(outcome: TurnOutcome) {
      ended = outcome
      // What was not shown yet is in the answer, or gone.
      if (isBusy) next = undefined
      go()
    },
  }
}
