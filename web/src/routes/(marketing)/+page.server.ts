import { readChoice } from '#lib/server/choice.ts'
import { offeredModels } from '#lib/server/models.ts'
import type { PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals, cookies }) => {
  const models = await offeredModels(locals.api)
  return { models: models.map(({ id, name }) => ({ id, name })), choice: readChoice(cookies) }
}
