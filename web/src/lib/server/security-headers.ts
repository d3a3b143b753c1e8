/** The Content-Security-Policy is SvelteKit's own (vite.config.ts), since it carries a nonce per page. */
const headers = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'strict-origin-when-cross-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** What Google Analytics needs, and only where it is configured. */
const analytics: Record<string, string> = {
  'script-src': 'https://www.googletagmanager.com',
  'connect-src':
    'https://*.google-analytics.com https://*.analytics.google.com https://www.googletagmanager.com',
  'img-src': 'https://*.google-analytics.com',
}

export function secure(response: Response, url: URL, options: { hasAnalytics: boolean }): void {
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value)
  // Over plain HTTP browsers ignore this one, and on localhost it would be a nuisance.
  if (url.protocol === 'https:' && url.hostname !== 'localhost')
    response.headers.set('strict-transport-security', 'max-age=31536000; includeSubDomains')
  const policy = response.headers.get('content-security-policy')
  if (policy && options.hasAnalytics) response.headers.set('content-security-policy', allowAnalytics(policy))
}

export function allowAnalytics(policy: string): string {
  return policy
    .split(';')
    .map((directive) => directive.trim())
    .map((directive) => {
      const more = analytics[directive.split(' ')[0] ?? '']
      return more ? `${directive} ${more}` : directive
    })
    .join('; ')
}
