import { redirect } from '@sveltejs/kit'
import { ask } from '#lib/server/api/answer.ts'
import { readChoice } from '#lib/server/choice.ts'
import { safePath } from '#lib/server/safe-path.ts'
import type { PageServerLoad } from './$types'

/** What the API says about a sign-in that did not work, in words for the person. */
const words: Record<string, string> = {
  sign_in_denied:
    'You did not let Google tell us who you are, so nothing happened. Try again whenever you like.',
  sign_in_expired: 'That sign-in took too long or began in another browser. Please start again.',
  sign_in_invalid: 'Google’s answer did not fit what we asked. Please start again.',
  email_not_verified:
    'Google has not verified this e-mail address yet. Verify it there, or take another account.',
  email_in_use:
    'There is an account with this e-mail address that belongs to another Google account. Sign in with that one.',
  account_being_deleted: 'This account is being deleted. When that is done, you can start anew.',
  too_many_requests: 'That was too often in too short a time. Please wait a minute and try again.',
  google_unavailable: 'Google does not answer right now. Please try again in a moment.',
}

export const load: PageServerLoad = async ({ url, cookies, locals, setHeaders }) => {
  const returnTo = safePath(url.searchParams.get('returnTo'), '/dashboard')
  const code = url.searchParams.get('error')
  setHeaders({ 'cache-control': 'no-store' })
  if (code === null && cookies.getAll().length > 0) {
    const me = await ask(locals.api.GET('/api/v1/users/me'))
    if (me.ok) redirect(303, returnTo)
  }
  const { channel } = readChoice(cookies)
  return {
    signInUrl: `/api/v1/auth/google?returnTo=${encodeURIComponent(returnTo)}`,
    trouble: code === null ? undefined : (words[code] ?? 'Signing in did not work. Please try again.'),
    channel,
  }
}
