import { readStatus } from '#lib/server/read-status.ts'
import { API_URL } from '$app/env/private'
import type { PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ fetch, setHeaders }) => {
  setHeaders({ 'cache-control': 'no-store' })
  return { report: await readStatus({ apiUrl: API_URL, fetch, now: () => new Date() }) }
}
