import { redirect } from '@sveltejs/kit'
import { ask } from '#lib/server/api/answer.ts'
import type { Actions, PageServerLoad } from './$types'

/** Only the form signs out; a link that somebody sends does not. */
export const load: PageServerLoad = () => redirect(303, '/dashboard')

export const actions: Actions = {
  default: async ({ locals }) => {
    const answer = await ask(locals.api.POST('/api/v1/auth/logout'))
    redirect(303, answer.ok || answer.problem.status === 401 ? '/' : '/dashboard?problem=sign-out')
  },
}
