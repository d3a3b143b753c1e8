import { readConsent } from '#lib/server/consent.ts'
import { GA_MEASUREMENT_ID } from '$app/env/private'
import type { LayoutServerLoad } from './$types'

/** The API's, by its two names. */
const sessionCookies = ['__Host-session', 'session']

export const load: LayoutServerLoad = ({ cookies, setHeaders }) => {
  // Whatever keeps these pages must not show one person's to another.
  setHeaders({ vary: 'cookie' })
  return {
    /** Somebody was, at least: whose session has ended meanwhile is led through /login. */
    isSignedIn: sessionCookies.some((name) => cookies.get(name) !== undefined),
    analytics: GA_MEASUREMENT_ID ? { id: GA_MEASUREMENT_ID, consent: readConsent(cookies) } : undefined,
  }
}
