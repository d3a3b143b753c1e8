import type { Handle } from '@sveltejs/kit/hooks'

/** The Content-Security-Policy is SvelteKit's own (vite.config.ts), since it carries a nonce per page. */
const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'strict-origin-when-cross-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

export const handle: Handle = async ({ event, resolve }) => {
  const response = await resolve(event)
  for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value)
  // Over plain HTTP browsers ignore this one, and on localhost it would be a nuisance.
  if (event.url.protocol === 'https:' && event.url.hostname !== 'localhost') {
    response.headers.set('strict-transport-security', 'max-age=31536000; includeSubDomains')
  }
  return response
}
