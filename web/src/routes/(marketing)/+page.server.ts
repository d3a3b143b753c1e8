import { listed } from '#lib/models.ts'
import { readChoice } from '#lib/server/choice.ts'
import { offeredModels, preselected } from '#lib/server/models.ts'
import type { PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals, cookies }) => {
  const models = await offeredModels(locals.api)
  const choice = readChoice(cookies)
  return { models: models.map(listed), channel: choice.channel, model: preselected(models, choice.model) }
}
