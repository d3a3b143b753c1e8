/** What belongs to one connection and must not be handed on (RFC 9110, 7.6.1), and what fetch decides itself. */
const ownToConnection = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'expect',
])

interface Input {
  request: Request
  apiUrl: string
  /** Who asks, for the API's rate limits. */
  clientAddress: string
  fetch: typeof globalThis.fetch
}

/**
 * Hands a request of the browser's to the control plane and its answer back, both as streams: a slow reader slows the
 * sender down, and server-sent events pass as they come. When the browser leaves, the API's side ends, too.
 */
export async function proxyToApi({ request, apiUrl, clientAddress, fetch }: Input): Promise<Response> {
  const { pathname, search, host, protocol } = new URL(request.url)
  const headers = without(request.headers)
  // One hop that compresses is enough; and what is compressed in blocks is no live event.
  headers.set('accept-encoding', 'identity')
  headers.set('x-forwarded-for', clientAddress)
  headers.set('x-forwarded-host', host)
  headers.set('x-forwarded-proto', protocol.slice(0, -1))
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD'
  try {
    const response = await fetch(`${apiUrl}${pathname}${search}`, {
      method: request.method,
      headers,
      redirect: 'manual',
      signal: request.signal,
      ...(hasBody && { body: request.body, duplex: 'half' }),
    } as RequestInit)
    return new Response(response.body, { status: response.status, headers: without(response.headers) })
  } catch (error) {
    return refusal(error)
  }
}

/** The body's own error (too large, broken off) is the browser's; everything else is an API that is not there. */
function refusal(error: unknown): Response {
  const cause = error instanceof Error ? (error.cause ?? error) : error
  if (cause instanceof Error && 'status' in cause && cause.status === 413)
    return Response.json({ detail: 'The body is too large.', code: 'body_too_large' }, { status: 413 })
  return Response.json(
    { detail: 'YourClaw cannot be reached right now. Please try again.', code: 'api_unreachable' },
    { status: 503 },
  )
}

function without(headers: Headers): Headers {
  const named = (headers.get('connection') ?? '').toLowerCase().split(',')
  const dropped = new Set([...ownToConnection, ...named.map((name) => name.trim())])
  const kept = new Headers()
  for (const [name, value] of headers) if (!dropped.has(name)) kept.append(name, value)
  return kept
}
