import { longDate, shortDay } from './format.ts'
import type { Model } from './server/api/views.ts'

/** What of a model a list shows. */
export type ListedModel = Pick<Model, 'id' | 'name' | 'retiredOn' | 'replacedBy'>
export const listed = ({ id, name, retiredOn, replacedBy }: Model): ListedModel => ({
  id,
  name,
  ...(retiredOn && { retiredOn }),
  ...(replacedBy && { replacedBy }),
})

/** A model as a line of a list. */
export const optionText = ({ name, retiredOn }: ListedModel): string =>
  retiredOn ? `${name}, until ${shortDay(retiredOn)}` : name

/** When the provider of a model ends it, and what follows, in a sentence; undefined = no end is known. */
export function endText(model: ListedModel | undefined, models: readonly ListedModel[]): string | undefined {
  if (!model?.retiredOn) return undefined
  const next = models.find(({ id }) => id === model.replacedBy)
  const then = next ? `; from then on it will be ${next.name}` : ''
  return `Its provider ends it on ${longDate(model.retiredOn)}${then}.`
}
