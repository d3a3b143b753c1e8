import { redirect } from '@sveltejs/kit'
import { parseChoice, writeChoice } from '#lib/server/choice.ts'
import type { RequestHandler } from './$types'

/** Where every "try it" leads: it keeps what was picked, and goes on to the step that is next. */
export const GET: RequestHandler = ({ url, cookies }) => {
  const picked = {
    ...parseChoice({ channel: url.searchParams.get('channel') ?? undefined }),
    ...parseChoice({ model: url.searchParams.get('model') ?? undefined }),
  }
  if (Object.keys(picked).length > 0) writeChoice(cookies, picked)
  redirect(303, '/onboarding')
}
