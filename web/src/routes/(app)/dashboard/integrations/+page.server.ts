import { error } from '@sveltejs/kit'
import * as z from 'zod/mini'
import { ask, need, refuse } from '#lib/server/api/answer.ts'
import type { Actions, PageServerLoad } from './$types'
import { serviceNames, wordsFor } from './words.ts'

const service = z.enum(['calendar', 'gmail', 'drive'])
const noService = { status: 400, code: 'invalid_input', detail: 'Choose a service.' }

export const load: PageServerLoad = async ({ locals, url, depends }) => {
  depends('yc:integrations')
  const before = url.searchParams.get('before')
  const query = { limit: 20, ...(before !== null && { before }) }
  const [integrations, history] = await Promise.all([
    need(locals.api.GET('/api/v1/integrations'), url),
    need(locals.api.GET('/api/v1/integrations/actions', { params: { query } }), url),
  ])
  if (!integrations.available && integrations.services.length === 0)
    error(404, 'There is no such page.', { code: 'feature_off' })
  // What Google's page ended with; written by us alone, and shown in our words alone.
  const about = service.safeParse(url.searchParams.get('service')).data
  const connected = service.safeParse(url.searchParams.get('connected')).data
  const code = url.searchParams.get('error')
  return {
    ...integrations,
    history,
    isOlder: before !== null,
    connected: connected && serviceNames[connected],
    refused: about && code ? { service: serviceNames[about], words: wordsFor(code) } : undefined,
  }
}

export const actions: Actions = {
  disconnect: async ({ request, locals, url }) => {
    const chosen = service.safeParse((await request.formData()).get('service'))
    if (!chosen.success) return refuse(noService, url)
    const path = { service: chosen.data }
    const answer = await ask(locals.api.DELETE('/api/v1/integrations/google/{service}', { params: { path } }))
    if (!answer.ok) return refuse(answer.problem, url)
    const name = serviceNames[chosen.data]
    return {
      said:
        answer.data.state === 'OFF'
          ? `${name} is disconnected, and we have forgotten our access to it.`
          : `${name} is not used any more. Google does not answer right now; we go on asking it to take our access back.`,
    }
  },
  askAgain: async ({ request, locals, url }) => {
    const tool = String((await request.formData()).get('tool') ?? '')
    const answer = await ask(
      locals.api.DELETE('/api/v1/integrations/permissions/{tool}', { params: { path: { tool } } }),
    )
    if (!answer.ok) return refuse(answer.problem, url)
    return { said: 'Your assistant asks you again from now on.' }
  },
}
