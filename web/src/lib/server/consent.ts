import type { Cookies } from '@sveltejs/kit'

const name = 'yc_consent'
export type Consent = 'granted' | 'denied' | 'unasked'

export function readConsent(cookies: Cookies): Consent {
  const value = cookies.get(name)
  return value === 'granted' || value === 'denied' ? value : 'unasked'
}

/** Kept for half a year; then we ask again. */
export function writeConsent(cookies: Cookies, consent: 'granted' | 'denied'): void {
  cookies.set(name, consent, { path: '/', maxAge: 182 * 86_400, sameSite: 'lax' })
}
