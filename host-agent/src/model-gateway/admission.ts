import type { Usage } from '@pydantic/genai-prices'
import type { Ledger, OpenCall, Outcome } from '../metering/ledger.ts'
import { priceOf, priceVersion, searchMicros } from '../metering/prices.ts'
import { noUsage } from '../metering/usage.ts'
import { type Asked, unmeterable, withMaxOutput } from './asked.ts'
import type { Caller } from './keys.ts'
import type { ProviderRoute } from './providers.ts'
import { Refusal } from './refusal.ts'
import { type Reading, tokensOf } from './usage-reader.ts'

/** A call that may be made, with what its bytes are by now and how it is paid for. */
export interface Admitted {
  bytes: Buffer
  call: OpenCall
  /** What it cost, by what was read of the answer; an estimate unless the provider said its last word. */
  outcome(reading: Reading | undefined, elapsedMs: number): Outcome
}

/** An answer shorter than this is worth nothing: a call that cannot have so much is refused. */
const leastOutput = 1_024
/** How fast models answer at most, for what was cut before the provider said anything. */
const tokensPerSecond = 100
const charactersPerToken = 3

/**
 * Holds back the worst case of a call before it is made (B5): its input, and the longest answer that it allows. When
 * that is more than is left, the answer is bounded to what is; when even that is not enough, the call is refused.
 */
export function admit(input: {
  ledger: Ledger
  caller: Required<Caller>
  route: ProviderRoute
  asked: Asked
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
  const worst = (output: number) =>
    cost({ input_tokens: asked.inputTokens, output_tokens: asked.flavor === 'count' ? 0 : output })

  let { bytes } = input
  let maxOutput = asked.maxOutputTokens
  let hold = worst(maxOutput)
  if (!key.isOwn) {
    if (hold === undefined) throw notShared('The platform’s key does not serve this model.')
    if (unmeterable(asked)) throw notShared('The platform’s key does not serve this kind of request.')
    const left = ledger.spendable(assistantId)
    if (left !== null && hold > left) {
      const free = worst(0) ?? 0
      const affordable = hold > free ? Math.floor(((left - free) * maxOutput) / (hold - free)) : 0
      const bounded = affordable >= leastOutput ? withMaxOutput(asked, affordable) : undefined
      if (!bounded) throw nothingLeft(input.bound)
      bytes = bounded
      maxOutput = affordable
      hold = worst(affordable) ?? left
    }
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
    outcome(reading, elapsedMs) {
      if (asked.flavor === 'search') return { usage: noUsage, costMicros: searchMicros, estimated: false }
      if (reading?.isFinal && reading.usage) return { ...estimate(reading.usage), estimated: false }
      const bySeconds = Math.ceil((elapsedMs * tokensPerSecond) / 1_000)
      const seen = asked.isStreamed ? Math.ceil((reading?.characters ?? 0) / charactersPerToken) : bySeconds
      const said = reading?.usage ?? {}
      return estimate({
        ...said,
        input_tokens: said.input_tokens ?? asked.inputTokens,
        output_tokens: Math.max(said.output_tokens ?? 0, Math.min(seen, maxOutput)),
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
