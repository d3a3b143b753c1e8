import { calcPrice, type Usage } from '@pydantic/genai-prices'
import type { ProviderName } from '../model-gateway/providers.ts'

/** Recorded with every figure: the package's version is the version of its price list. */
export const priceVersion = 'genai-prices-0.1.8'

/** Brave asks $5 for 1,000 searches (https://brave.com/search/api, plan "Base AI"). */
export const searchMicros = 5_000

/**
 * What a call costs in micro-dollars, each call rounded up; undefined when no price is known. `usage` has the package's
 * own field names, of which input and output are sums that include cached and reasoning tokens.
 */
export function priceOf(
  provider: ProviderName,
  model: string,
  usage: Usage,
  atMs: number,
): number | undefined {
  const price = calcPrice(usage, model, { providerId: provider, timestamp: new Date(atMs) })
  // What floating point adds must not become a micro-dollar.
  return price ? Math.ceil(price.total_price * 1_000_000 - 1e-6) : undefined
}
