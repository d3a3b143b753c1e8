import { offeredModels } from '#lib/server/models.ts'
import type { PageServerLoad } from './$types'

export const load: PageServerLoad = async ({ locals }) => ({ models: await offeredModels(locals.api) })
