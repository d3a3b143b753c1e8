import * as z from 'zod/mini'
import { providerNames } from '#lib/providers.ts'
import { ask, need, refuse } from '#lib/server/api/answer.ts'
import type { Actions, PageServerLoad } from './$types'

const provider = z.enum(['ANTHROPIC', 'OPENAI', 'GOOGLE'])
const noProvider = { status: 400, code: 'invalid_input', detail: 'Choose a provider.' }

export const load: PageServerLoad = async ({ locals, url }) => need(locals.api.GET('/api/v1/api-keys'), url)

export const actions: Actions = {
  add: async ({ request, locals, url }) => {
    const form = await request.formData()
    const chosen = provider.safeParse(form.get('provider'))
    if (!chosen.success) return refuse(noProvider, url)
    const key = String(form.get('key') ?? '')
    const answer = await ask(locals.api.POST('/api/v1/api-keys', { body: { provider: chosen.data, key } }))
    // The key itself never goes back into the page.
    if (!answer.ok) return refuse(answer.problem, url, { provider: chosen.data })
    return { said: `${providerNames[chosen.data]} took the key. It is used from now on.` }
  },
  remove: async ({ request, locals, url }) => {
    const chosen = provider.safeParse((await request.formData()).get('provider'))
    if (!chosen.success) return refuse(noProvider, url)
    const path = { provider: chosen.data }
    const answer = await ask(locals.api.DELETE('/api/v1/api-keys/{provider}', { params: { path } }))
    if (!answer.ok) return refuse(answer.problem, url)
    const after =
      answer.data.fallsBackTo === 'SHARED'
        ? 'Its models run on your credit now.'
        : 'Its models cannot be used now.'
    return { said: `The ${providerNames[chosen.data]} key is removed. ${after}` }
  },
}
