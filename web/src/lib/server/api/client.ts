import createClient from 'openapi-fetch'
import type { paths } from './schema.ts'

interface Input {
  apiUrl: string
  /** The browser's own request: its cookies say who asks. */
  request: Request
  clientAddress: string
  fetch: typeof globalThis.fetch
  /** Gets what the API wants the browser to keep: a session that slid on. */
  onSetCookie: (header: string) => void
}

/** Above it somebody waits for nothing; the page then says that the API does not answer. */
const timeoutMs = 15_000

/** The control plane as one person sees it, typed by the document that it serves at /api/v1/openapi.json. */
export function createApi({ apiUrl, request, clientAddress, fetch, onSetCookie }: Input) {
  const { host, origin, protocol } = new URL(request.url)
  const headers: Record<string, string> = {
    'x-forwarded-for': clientAddress,
    'x-forwarded-host': host,
    'x-forwarded-proto': protocol.slice(0, -1),
    // We have checked that the form came from our own pages; this says so to the API's own check.
    origin,
  }
  for (const name of ['cookie', 'user-agent', 'accept-language', 'traceparent']) {
    const value = request.headers.get(name)
    if (value !== null) headers[name] = value
  }
  return createClient<paths>({
    baseUrl: apiUrl,
    headers,
    fetch: async (input) => {
      const response = await fetch(input, { signal: AbortSignal.timeout(timeoutMs), redirect: 'manual' })
      for (const header of response.headers.getSetCookie()) onSetCookie(header)
      return response
    },
  })
}

export type Api = ReturnType<typeof createApi>
