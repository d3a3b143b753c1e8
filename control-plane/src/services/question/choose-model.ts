import { changeModelIn } from '../assistant/change-model.ts'
import { texts } from '../conversation/texts.ts'
import { nameOf, offeredModels, soonEndOf } from '../model/catalogue.ts'
import type { OnAnswer } from './kinds.ts'

/** Those that are on offer, as the options of a question of kind `model`. */
export const modelOptions = (nowMs: number) =>
  offeredModels(nowMs).map(({ id, name }) => ({ id, label: name }))

export const onModelChosen: OnAnswer = async (tx, ctx, { userId, optionId }) => {
  await changeModelIn(tx, ctx, { userId, model: optionId })
  return texts.modelChosen(nameOf(optionId), soonEndOf(optionId, ctx.clock.now()))
}
