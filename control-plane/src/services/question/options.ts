import type { Question } from '@yourclaw/db'
import { z } from 'zod'

const schema = z.array(z.object({ id: z.string(), label: z.string() }))

/** A question's options as they were asked. */
export const optionsOf = ({ options }: Pick<Question, 'options'>) => schema.parse(options)
