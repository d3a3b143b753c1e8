import { redirect } from '@sveltejs/kit'
import { listed } from '#lib/models.ts'
import { ask, need, refuse } from '#lib/server/api/answer.ts'
import { parseChoice, readChoice, writeChoice } from '#lib/server/choice.ts'
import { offeredModels, preselected } from '#lib/server/models.ts'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals, url, parent, cookies }) => {
  const { me } = await parent()
  if (me.subscription && me.subscription.status !== 'CANCELED') redirect(303, '/onboarding/hello')
  const [subscription, models] = await Promise.all([
    need(locals.api.GET('/api/v1/subscription'), url),
    offeredModels(locals.api),
  ])
  return {
    trialDays: subscription.trialDays,
    models: models.map(listed),
    picked: preselected(models, readChoice(cookies).model),
    came: url.searchParams.get('checkout'),
  }
}

export const actions: Actions = {
  default: async ({ request, locals, url, cookies }) => {
    const { model } = parseChoice({ model: (await request.formData()).get('model') ?? undefined })
    if (model) writeChoice(cookies, { model })
    const answer = await ask(
      locals.api.POST('/api/v1/checkout', {
        body: {
          ...(model && { model }),
          successPath: '/onboarding/hello',
          cancelPath: '/onboarding/trial?checkout=canceled',
        },
      }),
    )
    if (answer.ok) return { leaveFor: answer.data.url }
    if (answer.problem.code === 'already_subscribed') redirect(303, '/onboarding/hello')
    return refuse(answer.problem, url)
  },
}
