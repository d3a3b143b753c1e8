import type { Question } from '@yourclaw/db'
import { z } from 'zod'

const schema = z.array(z.object({ id: z.string(), label: z.string() }))

/** A question's options as they were asked. */
export const optionsOf = ({ options }: Pick<Question, 'options'>) => schema.parse(options)

/** The id of an option that answers what is not asked yet, too. No number takes it, since that may be a slip. */
export const forGood = 'always'
