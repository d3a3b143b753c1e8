import { redirect } from '@sveltejs/kit'
import type { PageServerLoad } from './$types'

/** To the first step that is still to do. */
export const load: PageServerLoad = async ({ parent }) => {
  const { me } = await parent()
  if (!me.channels.some(({ state }) => state === 'BOUND')) redirect(303, '/onboarding/channel')
  const { subscription } = me
  redirect(
    303,
    subscription === null || subscription.status === 'CANCELED' ? '/onboarding/trial' : '/onboarding/hello',
  )
}
