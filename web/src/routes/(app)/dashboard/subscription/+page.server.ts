import { ask, need, refuse } from '#lib/server/api/answer.ts'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals, url }) => ({
  subscription: await need(locals.api.GET('/api/v1/subscription'), url),
})

export const actions: Actions = {
  portal: async ({ locals, url }) => {
    const answer = await ask(
      locals.api.POST('/api/v1/subscription/portal', { body: { returnPath: url.pathname } }),
    )
    return answer.ok ? { leaveFor: answer.data.url } : refuse(answer.problem, url)
  },
  cancel: async ({ locals, url }) => {
    const answer = await ask(locals.api.POST('/api/v1/subscription/cancel'))
    return answer.ok ? { said: 'It is cancelled.' } : refuse(answer.problem, url)
  },
  resume: async ({ locals, url }) => {
    const answer = await ask(locals.api.POST('/api/v1/subscription/resume'))
    return answer.ok ? { said: 'It goes on.' } : refuse(answer.problem, url)
  },
}
