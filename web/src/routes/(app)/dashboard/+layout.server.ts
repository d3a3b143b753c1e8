import { redirect } from '@sveltejs/kit'
import { need } from '#lib/server/api/answer.ts'
import type { LayoutServerLoad } from './$types'

export const load: LayoutServerLoad = async ({ locals, url, depends, setHeaders }) => {
  depends('yc:me')
  setHeaders({ 'cache-control': 'no-store' })
  const me = await need(locals.api.GET('/api/v1/users/me'), url)
  // Without a chat there is nothing to manage; money and account can be reached all the same.
  const isNew = me.subscription === null && !me.channels.some(({ state }) => state === 'BOUND')
  if (isNew && url.pathname === '/dashboard') redirect(303, '/onboarding')
  return { me }
}
