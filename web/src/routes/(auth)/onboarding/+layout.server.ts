import { need } from '#lib/server/api/answer.ts'
import { readChoice } from '#lib/server/choice.ts'
import type { LayoutServerLoad } from './$types'

export const load: LayoutServerLoad = async ({ locals, url, cookies, depends, setHeaders }) => {
  depends('yc:me')
  setHeaders({ 'cache-control': 'no-store' })
  const me = await need(locals.api.GET('/api/v1/users/me'), url)
  return { me, choice: readChoice(cookies) }
}
