import type { ProviderName } from './providers.ts'

/** What went wrong with a call, told apart by code. */
export type FailureCode =
  | 'key_invalid'
  | 'key_forbidden'
  | 'out_of_quota'
  | 'model_unavailable'
  | 'rate_limited'
  | 'provider_down'
  | 'request_refused'

/**
 * Reads a provider's refusal. Their own words are needed where numbers do not tell: Anthropic says an empty account
 * with 400, OpenAI with 429, Google a bad key with 400. Sources: platform.claude.com/docs/en/api/errors,
 * platform.openai.com/docs/guides/error-codes, ai.google.dev/gemini-api/docs/troubleshooting.
 */
export function classify(provider: ProviderName, status: number, words: string): FailureCode {
  if (status === 401) return 'key_invalid'
  if (status === 402) return 'out_of_quota'
  if (status === 403) return 'key_forbidden'
  if (provider === 'anthropic' && status === 400 && /credit balance/i.test(words)) return 'out_of_quota'
  if (provider === 'openai' && status === 429 && /insufficient_quota/.test(words)) return 'out_of_quota'
  if (
    provider === 'google' &&
    status === 400 &&
    /API_KEY_INVALID|API key not valid|API key expired/i.test(words)
  )
    return 'key_invalid'
  if (status === 404) return 'model_unavailable'
  if (status === 429) return 'rate_limited'
  return status >= 500 ? 'provider_down' : 'request_refused'
}

/** For people; none of the provider's words, some of which quote the key. */
export const failureDetail: Record<FailureCode, string> = {
  key_invalid: 'The provider does not accept the key.',
  key_forbidden: 'The key may not use this model.',
  out_of_quota: 'The account of this key has no quota left at the provider.',
  model_unavailable: 'The provider does not serve this model.',
  rate_limited: 'The provider takes no more calls at the moment.',
  provider_down: 'The provider has a problem.',
  request_refused: 'The provider did not accept this request.',
}
