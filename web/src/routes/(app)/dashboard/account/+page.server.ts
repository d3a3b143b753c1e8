import { redirect } from '@sveltejs/kit'
import { ask, refuse } from '#lib/server/api/answer.ts'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals, url }) => ({
  /** A link of an export led here, because it opens nothing any more. */
  hasStaleLink: url.searchParams.has('export'),
  exported: await ask(locals.api.GET('/api/v1/users/me/export')),
  timeZones: Intl.supportedValuesOf('timeZone'),
})

export const actions: Actions = {
  profile: async ({ request, locals, url }) => {
    const form = await request.formData()
    const [name, timeZone] = [String(form.get('name') ?? ''), String(form.get('timeZone') ?? '')]
    const answer = await ask(locals.api.PATCH('/api/v1/users/me', { body: { name, timeZone } }))
    return answer.ok ? { said: 'Saved.' } : refuse(answer.problem, url, { name, timeZone })
  },
  news: async ({ request, locals, url }) => {
    const consent = (await request.formData()).get('consent') === 'yes'
    const answer = await ask(locals.api.PUT('/api/v1/users/me/news', { body: { consent } }))
    if (!answer.ok) return refuse(answer.problem, url)
    return { said: consent ? 'You are on the list for news.' : 'You are off the list.' }
  },
  export: async ({ locals, url }) => {
    const answer = await ask(locals.api.POST('/api/v1/users/me/export'))
    return answer.ok
      ? { said: 'It is being put together. You also get a mail when it is ready.' }
      : refuse(answer.problem, url)
  },
  delete: async ({ request, locals, url }) => {
    const email = String((await request.formData()).get('email') ?? '')
    const answer = await ask(locals.api.DELETE('/api/v1/users/me', { body: { email } }))
    if (!answer.ok) return refuse(answer.problem, url, { email })
    redirect(303, '/goodbye')
  },
}
