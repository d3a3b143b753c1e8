import { json } from '@sveltejs/kit'
import { readStatus } from '#lib/server/read-status.ts'
import { API_URL } from '$app/env/private'
import type { RequestHandler } from './$types'

/** Always 200: the question "how is YourClaw?" was answered, also when the answer is bad. */
export const GET: RequestHandler = async ({ fetch }) =>
  json(await readStatus({ apiUrl: API_URL, fetch, now: () => new Date() }), {
    headers: { 'cache-control': 'no-store' },
  })
