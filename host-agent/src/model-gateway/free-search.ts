import { z } from 'zod'
import { Refusal, unreachable } from './refusal.ts'

const deadlineMs = 20_000
const maxResults = 10
const maxBytes = 4 * 2 ** 20

/** What we read of SearXNG's JSON (https://docs.searxng.org/dev/search_api.html). */
const found = z.object({
  results: z.array(
    z.object({
      title: z.string().nullish(),
      url: z.string(),
      content: z.string().nullish(),
      publishedDate: z.string().nullish(),
    }),
  ),
})
/** Brave's words for the age of a result, and SearXNG's. */
const ages: Record<string, string> = { pd: 'day', pw: 'week', pm: 'month', py: 'year' }

/**
 * Asks a SearXNG that the operator runs, where there is no key for Brave, and answers in Brave's shape: assistants know
 * one. It costs nothing, so nothing is counted.
 */
export async function searchFreely(baseUrl: string, query: URLSearchParams, signal: AbortSignal) {
  const url = new URL(`${baseUrl}/search`)
  url.searchParams.set('format', 'json')
  url.searchParams.set('q', query.get('q') ?? '')
  const language = query.get('search_lang')
  if (language !== null) url.searchParams.set('language', language)
  const age = ages[query.get('freshness') ?? '']
  if (age !== undefined) url.searchParams.set('time_range', age)
  const most = Math.min(Number(query.get('count')) || maxResults, maxResults)
  const results = (await ask(url, signal)).slice(0, most)
  return {
    type: 'search',
    web: {
      type: 'search',
      results: results.map(({ title, url, content, publishedDate }) => ({
        title: title ?? '',
        url,
        description: content ?? '',
        ...(publishedDate && { page_age: publishedDate }),
      })),
    },
  }
}

async function ask(url: URL, signal: AbortSignal) {
  const late = AbortSignal.timeout(deadlineMs)
  const response = await fetch(url, { signal: AbortSignal.any([signal, late]) }).catch((error: unknown) => {
    signal.throwIfAborted()
    throw error instanceof Error && late.aborted ? silent() : unreachable()
  })
  const text = response.ok ? await bounded(response) : undefined
  const read = found.safeParse(text === undefined ? undefined : parsed(text))
  // Its JSON is off unless its settings allow that format: 403.
  if (!read.success)
    throw new Refusal(502, 'search_failed', 'The search engine of this host did not answer as it should.')
  return read.data.results
}

const silent = () => new Refusal(504, 'provider_stalled', 'The search engine of this host fell silent.')

async function bounded(response: Response): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > maxBytes) return ''
  }
  return text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
