import type { LlmProvider } from '@yourclaw/db'

/** The providers that people may bring a key of. */
export type KeyProvider = Exclude<LlmProvider, 'BRAVE'>
export const keyProviders = ['ANTHROPIC', 'OPENAI', 'GOOGLE'] as const satisfies KeyProvider[]

export type KeyVerdict = 'valid' | 'invalid' | 'unknown'

/** Asks the provider whether a key is good, without spending a token; `unknown` when it does not say. Never throws. */
export type CheckKey = (provider: KeyProvider, key: string) => Promise<KeyVerdict>
