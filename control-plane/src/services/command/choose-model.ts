import { changeModelIn } from '../assistant/change-model.ts'
import { texts } from '../conversation/texts.ts'
import { endOf, nameOf, soonEndOf } from '../model/catalogue.ts'
import { askIn } from '../question/ask.ts'
import { modelOptions } from '../question/choose-model.ts'
import { supersedeIn } from '../question/supersede.ts'
import type { Command } from './commands.ts'

const questionMs = 24 * 3_600_000

/** Asks which one; a name behind the command is the answer already. */
export const chooseModel: NonNullable<Command['act']> = async (tx, ctx, { userId, to, argument }) => {
  await supersedeIn(tx, ctx, { userId, kind: 'model' })
  const options = modelOptions(ctx.clock.now())
  const wanted = argument.toLowerCase()
  const named = options.find(({ id, label }) => [id, label.toLowerCase()].includes(wanted))
  if (named) {
    await changeModelIn(tx, ctx, { userId, model: named.id })
    return texts.modelChosen(named.label, soonEndOf(named.id, ctx.clock.now()))
  }
  const { model } = await tx.assistant.findUniqueOrThrow({ where: { userId }, select: { model: true } })
  const prompt = texts.whichModel(nameOf(model), endOf(model))
  await askIn(tx, ctx, { userId, to, kind: 'model', prompt, options, expiresInMs: questionMs })
  return undefined
}
