import { error } from '@sveltejs/kit'
import { qrOf } from '#lib/server/qr.ts'
import { dev } from '$app/env'
import type { PageServerLoad } from './$types'

export const load: PageServerLoad = () => {
  if (!dev) error(404, 'Not Found')
  return { qr: qrOf('https://example.com') }
}
