import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { Provider } from '@yourclaw/proto/host/v1'
import type { AgentEnv } from '../env.ts'
import type { Flavor } from './asked.ts'

export type ProviderName = 'anthropic' | 'openai' | 'google' | 'brave'

/** Where a provider's calls go, which of them an assistant may make, and how the key travels. */
export interface ProviderRoute {
  name: ProviderName
  provider: Provider
  method: 'GET' | 'POST'
  /** Ends in the version. */
  baseUrl: string
  /** Whole paths below the provider's segment; group 1 goes behind `baseUrl`. Clients differ in who adds the version. */
  calls: RegExp
  /** What of a caller's query goes along, by name and whole value; all of it without. The rest could change what an answer says. */
  query?: Record<string, RegExp>
  flavor(path: string): Flavor
  keyHeaders(key: string): OutgoingHttpHeaders
}

/** Routes by the first segment of the path that assistants use as base URL. */
export function providerRoutes(
  env: Pick<AgentEnv, 'ANTHROPIC_BASE_URL' | 'OPENAI_BASE_URL' | 'GEMINI_BASE_URL'> &
    Partial<Pick<AgentEnv, 'BRAVE_BASE_URL'>>,
): Map<string, ProviderRoute> {
  return new Map<string, ProviderRoute>([
    [
      'anthropic',
      {
        name: 'anthropic',
        provider: Provider.PROVIDER_ANTHROPIC,
        method: 'POST',
        flavor: (path: string) => (path.endsWith('/count_tokens') ? 'count' : 'messages'),
        baseUrl: versioned(env.ANTHROPIC_BASE_URL, '/v1'),
        calls: /^(?:\/v1)?(\/messages(?:\/count_tokens)?)$/,
        query: { beta: /^\w{1,10}$/ },
        keyHeaders: (key: string) => ({ 'x-api-key': key }),
      },
    ],
    [
      'openai',
      {
        name: 'openai',
        provider: Provider.PROVIDER_OPENAI,
        method: 'POST',
        flavor: (path: string) => (path === '/responses' ? 'responses' : 'chat'),
        baseUrl: versioned(env.OPENAI_BASE_URL, '/v1'),
        calls: /^(?:\/v1)?(\/responses|\/chat\/completions)$/,
        query: {},
        keyHeaders: (key: string) => ({ authorization: `Bearer ${key}` }),
      },
    ],
    [
      'google',
      {
        name: 'google',
        provider: Provider.PROVIDER_GOOGLE,
        method: 'POST',
        flavor: (path: string) => (path.endsWith(':countTokens') ? 'count' : 'generate'),
        baseUrl: versioned(env.GEMINI_BASE_URL, '/v1beta'),
        calls: /^(?:\/v1beta)?(\/models\/[\w.-]+:(?:streamGenerateContent|generateContent|countTokens))$/,
        query: { alt: /^(?:sse|json)$/ },
        keyHeaders: (key: string) => ({ 'x-goog-api-key': key }),
      },
    ],
    [
      'brave',
      {
        name: 'brave',
        provider: Provider.PROVIDER_BRAVE,
        method: 'GET',
        baseUrl: env.BRAVE_BASE_URL ?? 'https://api.search.brave.com',
        calls: /^(\/res\/v1\/(?:web\/search|llm\/context))$/,
        flavor: () => 'search',
        keyHeaders: (key: string) => ({ 'x-subscription-token': key }),
      },
    ],
  ])
}

const versioned = (baseUrl: string, version: string) =>
  baseUrl.endsWith(version) ? baseUrl : baseUrl + version

/** What the caller shows as its key, in whichever header its provider's client uses. */
export function shownKey(headers: IncomingHttpHeaders): string | undefined {
  for (const name of ['x-api-key', 'x-goog-api-key', 'x-subscription-token']) {
    const value = headers[name]
    if (typeof value === 'string' && value !== '') return value
  }
  return /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
}

/** The model that a path names; other providers name it in the body. */
export const modelInPath = (path: string): string | undefined => /^\/models\/([\w.-]+):/.exec(path)?.[1]

/**
 * What goes to a provider of a caller's headers: what its clients say about the call itself. Nothing that chooses another
 * account, another method, or what an answer leaves out.
 */
const goesOut = new Set([
  'accept',
  'accept-language',
  'content-type',
  'user-agent',
  'anthropic-version',
  'anthropic-beta',
  'openai-beta',
  'x-goog-api-client',
])
const goesOutToo = /^x-stainless-/

/** Of this connection alone (RFC 9110, 7.6.1), or about the account whose key it was. */
const staysHere = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'set-cookie',
  'alt-svc',
  'openai-organization',
  'openai-project',
  'anthropic-organization-id',
])

export const sentHeaders = (headers: IncomingHttpHeaders) =>
  forwarded(headers, (name) => goesOut.has(name) || goesOutToo.test(name))
export const answeredHeaders = (headers: IncomingHttpHeaders) =>
  forwarded(headers, (name) => !staysHere.has(name))

/** Without those that Connection names: they are of one connection, too. */
function forwarded(headers: IncomingHttpHeaders, may: (name: string) => boolean): OutgoingHttpHeaders {
  const nominated = new Set(headers.connection?.split(',').map((name) => name.trim().toLowerCase()))
  return Object.fromEntries(Object.entries(headers).filter(([name]) => may(name) && !nominated.has(name)))
}

/** What of a query goes along, never the key in it. */
export function sentQuery({ query: allowed }: ProviderRoute, query: URLSearchParams): URLSearchParams {
  return new URLSearchParams(
    [...query].filter(([name, value]) => name !== 'key' && (!allowed || allowed[name]?.test(value))),
  )
}
