import type { Usage } from '@pydantic/genai-prices'
import type { Ledger, OpenCall, Outcome } from '../metering/ledger.ts'
import { priceOf, priceVersion, searchMicros } from '../metering/prices.ts'
import { noUsage } from '../metering/usage.ts'
import { type Asked, type Body, boundBytes, unmeterable } from './asked.ts'
import type { Caller } from './keys.ts'
import type { ProviderRoute } from './providers.ts'
import { Refusal } from './refusal.ts'
import { type Reading, tokensOf } from './usage-reader.ts'

/** A call that may be made, with what its bytes are by now and how it is paid for. */
export interface Admitted {
  bytes: Buffer
  call: OpenCall
  /** What it cost, by what was read of the answer; an estimate unless the provider said its last word. */
  outcome(reading: Reading | undefined, silentMs: number): Outcome
}

/** An answer shorter than this is worth nothing: a call that cannot have so much is refused. */
const leastOutput = 1_024
/** How fast models think, for what was cut while nothing could be seen of it. */
const tokensPerSecond = 100
const charactersPerToken = 3

/**
 * Holds back the worst case of a call before it is made (B5): its input, and the longest answer that it allows. When
 * that is more than is left, the answer is bounded to what is; when even that is not enough, the call is refused. What
 * is held back counts a token for each byte: beside others a call must fit so; alone, by the guess that words need. So
 * all that is open overshoots by one call at most, whatever a caller makes of its bytes.
 */
export function admit(input: {
  ledger: Ledger
  caller: Required<Caller>
  route: ProviderRoute
  asked: Asked
  body: Body
  bytes: Buffer
  /** What bounds this assistant's spending now: credit, month or platform. */
  bound: string | undefined
  now: () => number
}): Admitted {
  const { ledger, caller, route, asked, now } = input
  const { assistantId, key } = caller
  const cost = (usage: Usage): number | undefined => {
    if (asked.flavor === 'count') return 0
    return asked.flavor === 'search' ? searchMicros : priceOf(route.name, asked.model, usage, now())
  }
  const isCount = asked.flavor === 'count'
  const guessed = (output: number) => cost({ input_tokens: asked.inputTokens, output_tokens: output })
  const most = (output: number) => {
    const input = asked.mostInputTokens
    // The dearest way to be read: written to a cache for an hour.
    const written =
      route.name === 'anthropic' ? { cache_write_tokens: input, cache_write_1h_tokens: input } : {}
    return cost({ input_tokens: input, output_tokens: output, ...written })
  }

  let { bytes } = input
  let maxOutput = asked.maxOutputTokens
  let hold = most(maxOutput)
  if (!key.isOwn) {
    if (hold === undefined) throw notShared('The platform’s key does not serve this model.')
    if (unmeterable(asked, input.body))
      throw notShared('The platform’s key does not serve this kind of request.')
    const left = ledger.spendable(assistantId)
    const isAlone = !ledger.isHolding(assistantId)
    const worst = isAlone ? guessed : most
    const whole = worst(maxOutput) ?? 0
    let bounded: number | undefined
    if (left !== null && whole > left) {
      const free = worst(0) ?? 0
      const affordable = whole > free ? Math.floor(((left - free) * maxOutput) / (whole - free)) : 0
      if (affordable >= leastOutput) bounded = affordable
      else if (isAlone || (guessed(leastOutput) ?? 0) > left) throw nothingLeft(input.bound)
      else throw new Refusal(429, 'too_many_calls', 'What is left is held back for the calls that run.', 1)
    }
    if (route.method === 'POST' && !isCount) {
      const ours = boundBytes(asked, input.body, bytes, bounded)
      if (!ours) throw nothingLeft(input.bound)
      bytes = ours
    }
    maxOutput = bounded ?? maxOutput
    hold = most(maxOutput)
  }

  const estimate = (usage: Usage): Outcome => ({
    usage: tokensOf(usage),
    costMicros: cost(usage) ?? 0,
    estimated: true,
  })
  const call = ledger.open({
    assistantId,
    provider: route.provider,
    model: asked.model,
    ownKey: key.isOwn,
    priceVersion: hold === undefined ? '' : priceVersion,
    holdMicros: key.isOwn ? 0 : (hold ?? 0),
    // Nobody knows what became of the answer when an agent dies in it.
    estimate: estimate({ input_tokens: asked.inputTokens }),
  })
  return {
    bytes,
    call,
    outcome(reading, silentMs) {
      if (asked.flavor === 'search') return { usage: noUsage, costMicros: searchMicros, estimated: false }
      if (reading?.isFinal && reading.usage) return { ...estimate(reading.usage), estimated: false }
      const unseen = (silentMs * tokensPerSecond) / 1_000
      const seen = Math.ceil((reading?.characters ?? 0) / charactersPerToken + unseen)
      const said = reading?.usage ?? {}
      const output = Math.max(said.output_tokens ?? 0, Math.min(seen, maxOutput))
      return estimate({
        ...said,
        input_tokens: said.input_tokens ?? asked.inputTokens,
        output_tokens: output,
      })
    },
  }
}

const notShared = (detail: string) => new Refusal(422, 'not_on_shared_key', detail)

function nothingLeft(bound: string | undefined): Refusal {
  switch (bound) {
    case 'month':
      return new Refusal(422, 'month_cap_reached', 'The cap of this month is reached.')
    case 'platform':
      return new Refusal(422, 'platform_paused', 'Calls on the platform’s keys are paused until tomorrow.')
    default:
      return new Refusal(422, 'out_of_credit', 'There is not enough credit left for this call.')
  }
}
