import { definePluginEntry } from 'openclaw/plugin-sdk/plugin-entry'

// Web search for the pinned OpenClaw, which brings no provider that could be pointed at a host's model gateway. It speaks
// Brave's API (https://api-dashboard.search.brave.com/app/documentation/web-search) to the gateway, which adds the key.
const id = 'yourclaw-web-search'
const provider = 'yourclaw'

const settingsOf = (config) => config?.plugins?.entries?.[id]?.config?.webSearch ?? {}

/** OpenClaw shows models one schema for all providers; these are the parts of it that mean something here. */
const parameters = {
  type: 'object',
  properties: {
    query: { type: 'string' },
    count: { type: 'integer', minimum: 1, maximum: 10 },
    country: { type: 'string' },
    language: { type: 'string' },
    search_lang: { type: 'string' },
    freshness: { type: 'string' },
    date_after: { type: 'string' },
    date_before: { type: 'string' },
  },
  required: ['query'],
}

const ages = { day: 'pd', week: 'pw', month: 'pm', year: 'py' }
const defaultCount = 5
const mostResults = 10
const deadlineMs = 30_000

/** Brave refuses what it does not know; a model's guess is left out instead. */
function addressOf(baseUrl, args) {
  const url = new URL(`${baseUrl}/res/v1/web/search`)
  const put = (name, value) => value !== undefined && url.searchParams.set(name, value)
  const { query, count, country, language, search_lang: searchLanguage = language } = args
  put('q', String(query ?? '').slice(0, 400))
  put('count', String(Math.min(Math.max(Math.trunc(Number(count)) || defaultCount, 1), mostResults)))
  put('country', matching(/^[a-z]{2}$/i, country)?.toUpperCase())
  put('search_lang', matching(/^[a-z]{2}(-[a-z]{2,4})?$/i, searchLanguage)?.toLowerCase())
  put('freshness', ages[args.freshness] ?? period(args))
  return url
}

const matching = (pattern, value) => (typeof value === 'string' && pattern.test(value) ? value : undefined)

function period({ date_after: after, date_before: before }) {
  const [from, until] = [after, before].map((date) => matching(/^\d{4}-\d{2}-\d{2}$/, date))
  if (from === undefined && until === undefined) return undefined
  return `${from ?? '1970-01-01'}to${until ?? new Date().toISOString().slice(0, 10)}`
}

/** Our gateway says why in a sentence without secrets; anything else is not repeated. */
async function reasonOf(response) {
  const body = await response.json().catch(() => undefined)
  const said = body?.error?.message ?? body?.detail
  return typeof said === 'string' ? said.slice(0, 300) : `The search answered with status ${response.status}.`
}

async function search({ baseUrl, apiKey }, args, signal) {
  const response = await fetch(addressOf(baseUrl, args), {
    headers: { accept: 'application/json', 'x-subscription-token': apiKey },
    signal: AbortSignal.any([AbortSignal.timeout(deadlineMs), ...(signal ? [signal] : [])]),
  })
  if (!response.ok) return { error: 'search_failed', message: await reasonOf(response) }
  const found = (await response.json()).web?.results ?? []
  const results = found.map(({ title = '', url = '', description = '', page_age: published }) => ({
    title,
    url,
    description,
    ...(published && { published }),
  }))
  return { provider, query: args.query, count: results.length, results }
}

export default definePluginEntry({
  id,
  name: 'YourClaw web search',
  description: 'Web search through the host’s model gateway.',
  register(api) {
    api.registerWebSearchProvider({
      id: provider,
      label: 'Web search',
      hint: 'Through the host’s model gateway.',
      envVars: [],
      placeholder: '',
      signupUrl: '',
      credentialPath: `plugins.entries.${id}.config.webSearch.apiKey`,
      getCredentialValue: () => undefined,
      setCredentialValue: () => {},
      getConfiguredCredentialValue: (config) => settingsOf(config).apiKey,
      createTool: ({ config }) => ({
        description: 'Search the web. Returns titles, addresses and a few words of each result.',
        parameters,
        execute: (args, context) => search(settingsOf(config), args, context?.signal),
      }),
    })
  },
})
