import { ask } from './api/answer.ts'
import type { Api } from './api/client.ts'
import type { Model } from './api/views.ts'

const lifeMs = 60_000
let kept: { models: Model[]; until: number } | undefined

/** What is on offer, asked once a minute; the same for everybody who is not signed in. Empty when nobody answers. */
export async function offeredModels(api: Api): Promise<Model[]> {
  if (kept && Date.now() < kept.until) return kept.models
  const answer = await ask(api.GET('/api/v1/models'))
  if (!answer.ok) return kept?.models ?? []
  kept = { models: answer.data.models, until: Date.now() + lifeMs }
  return kept.models
}

/** Of those on offer: what was picked before, as long as it still is one of them, else the default. */
export const preselected = (models: readonly Model[], picked: string | undefined): string | undefined =>
  (models.find(({ id }) => id === picked) ?? models.find((model) => model.default) ?? models[0])?.id
