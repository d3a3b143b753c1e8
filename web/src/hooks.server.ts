import type { RequestEvent } from '@sveltejs/kit'
import type { Handle } from '@sveltejs/kit/hooks'
import { createApi } from '#lib/server/api/client.ts'
import { proxyToApi } from '#lib/server/proxy.ts'
import { secure } from '#lib/server/security-headers.ts'
import { API_URL, GA_MEASUREMENT_ID } from '$app/env/private'

/** A socket that is closed by now has no address any more, and SvelteKit throws for want of it. */
function addressOf(event: RequestEvent): string | undefined {
  try {
    return event.getClientAddress()
  } catch {
    return undefined
  }
}

export const handle: Handle = async ({ event, resolve }) => {
  const { request, url } = event
  const clientAddress = addressOf(event)
  // Whoever asked has hung up.
  if (clientAddress === undefined) return new Response(null, { status: 400 })
  // The API has its own headers, its own checks and its own errors.
  if (url.pathname === '/api/v1' || url.pathname.startsWith('/api/v1/'))
    return proxyToApi({ request, apiUrl: API_URL, clientAddress, fetch })

  const setCookies: string[] = []
  event.locals.api = createApi({
    apiUrl: API_URL,
    request,
    clientAddress,
    fetch,
    onSetCookie: (header) => setCookies.push(header),
  })
  const response = await resolve(event, {
    preload: ({ type, path }) =>
      type === 'css' || type === 'js' || (type === 'font' && /latin-wght/.test(path)),
  })
  secure(response, url, { hasAnalytics: GA_MEASUREMENT_ID !== undefined })
  for (const header of setCookies) response.headers.append('set-cookie', header)
  return response
}
