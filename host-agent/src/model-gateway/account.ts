import type { Outcome } from '../metering/ledger.ts'
import type { Metering } from '../metering/metering.ts'
import type { Admitted } from './admission.ts'
import type { Asked } from './asked.ts'
import type { ProviderRoute } from './providers.ts'
import type { UsageReader } from './usage-reader.ts'

/**
 * What one call costs, from its admission to its end. Ended once, by whoever is first; ending never throws, since a call
 * that was answered is not broken by how it is counted: what could not be written is tried again by the ledger.
 */
export interface Account {
  /** Its input was taken from the shared key's rate. */
  took(): void
  /** It left for the provider. */
  sent(): void
  /** Something came of its answer. */
  came(reader: UsageReader): void
  free(): void
  /** Counts what was read of the answer; nothing without a reader. */
  count(reader?: UsageReader): void
}

/** A pause in an answer that needs no explanation; in a longer one the model may think unseen. */
const shortPauseMs = 3_000

export function openAccount(deps: {
  metering: Metering
  route: ProviderRoute
  asked: Asked
  admitted: Admitted
  failed: (error: unknown) => void
  now?: () => number
}): Account {
  const { metering, route, asked, admitted } = deps
  const now = deps.now ?? (() => performance.now())
  let isEnded = false
  let taken = 0
  let seen = 0
  let seenMs = now()
  let silentMs = 0

  function pause(): void {
    const ms = now() - seenMs
    if (!asked.isStreamed || ms > shortPauseMs) silentMs += ms
    seenMs = now()
  }
  function end(outcome: Outcome | 'free'): void {
    isEnded = true
    try {
      admitted.call.settle(outcome)
    } catch (error) {
      deps.failed(error)
    }
    if (taken > 0) {
      const used = outcome === 'free' ? 0 : outcome.usage.input - outcome.usage.cached
      metering.rates.giveBack(route.provider, taken - used)
    }
    metering.counted()
  }
  function outcomeOf(reader: UsageReader | undefined): Outcome {
    try {
      return admitted.outcome(reader?.reading(), silentMs)
    } catch (error) {
      // Figures that no price fits.
      deps.failed(error)
      return admitted.outcome(undefined, silentMs)
    }
  }
  return {
    took() {
      taken = asked.inputTokens
    },
    sent() {
      seenMs = now()
    },
    came(reader) {
      if (reader.characters() === seen) return
      seen = reader.characters()
      pause()
    },
    free() {
      if (!isEnded) end('free')
    },
    count(reader) {
      if (isEnded) return
      pause()
      end(asked.flavor === 'count' ? 'free' : outcomeOf(reader))
    },
  }
}
