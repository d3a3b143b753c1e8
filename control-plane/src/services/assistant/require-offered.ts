import { invalidInput } from '../../errors.ts'
import { offeredModels } from '../model/catalogue.ts'

/** Throws unknown_model for a model that is not in the catalogue or was retired. */
export function requireOffered(model: string, nowMs: number): void {
  if (!offeredModels(nowMs).some((offered) => offered.id === model)) {
    throw invalidInput('That model is not offered.', 'unknown_model')
  }
}
