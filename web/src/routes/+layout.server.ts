import { readConsent } from '#lib/server/consent.ts'
import { GA_MEASUREMENT_ID } from '$app/env/private'
import type { LayoutServerLoad } from './$types'

export const load: LayoutServerLoad = ({ cookies }) => ({
  analytics: GA_MEASUREMENT_ID ? { id: GA_MEASUREMENT_ID, consent: readConsent(cookies) } : undefined,
})
