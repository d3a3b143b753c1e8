import { ask, refuse } from '#lib/server/api/answer.ts'
import type { Actions } from './$types'

export const actions: Actions = {
  default: async ({ request, locals, url }) => {
    const form = await request.formData()
    const kind = form.get('kind') === 'TOOL' ? 'TOOL' : 'FEEDBACK'
    const text = String(form.get('text') ?? '')
    const answer = await ask(locals.api.POST('/api/v1/feedback', { body: { kind, text } }))
    return answer.ok
      ? { said: 'Thank you. We read everything, and answer by mail.' }
      : refuse(answer.problem, url, { kind, text })
  },
}
