import type { CheckKey, KeyProvider, KeyVerdict } from '../services/api-key/check-key.ts'

const timeoutMs = 10_000

type Check = (key: string) => { url: string; headers: Record<string, string> }

/**
 * Lists the provider's models with the key: costs nothing and says whether it is good. 401 and 403 are a bad key, and
 * so is Google's 400 (API_KEY_INVALID); whatever else is not 200 says nothing about the key.
 */
export function createKeyCheck(env: {
  ANTHROPIC_BASE_URL: string
  OPENAI_BASE_URL: string
  GEMINI_BASE_URL: string
}): CheckKey {
  const checks: Record<KeyProvider, Check> = {
    ANTHROPIC: (key) => ({
      url: `${versioned(env.ANTHROPIC_BASE_URL, '/v1')}/models?limit=1`,
      headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
    }),
    OPENAI: (key) => ({
      url: `${versioned(env.OPENAI_BASE_URL, '/v1')}/models`,
      headers: { authorization: `Bearer ${key}` },
    }),
    GOOGLE: (key) => ({
      url: `${versioned(env.GEMINI_BASE_URL, '/v1beta')}/models?pageSize=1`,
      headers: { 'x-goog-api-key': key },
    }),
  }
  return async (provider, key) => {
    const { url, headers } = checks[provider](key)
    try {
      const answer = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
      await answer.body?.cancel()
      return verdictOf(provider, answer.status)
    } catch {
      return 'unknown'
    }
  }
}

function verdictOf(provider: KeyProvider, status: number): KeyVerdict {
  if (status === 200) return 'valid'
  if (status === 401 || status === 403) return 'invalid'
  return provider === 'GOOGLE' && status === 400 ? 'invalid' : 'unknown'
}

const versioned = (baseUrl: string, version: string) =>
  baseUrl.endsWith(version) ? baseUrl : baseUrl + version
