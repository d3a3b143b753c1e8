import type { Context } from 'hono'
import { z } from 'zod'
import type { Env } from '../faults.ts'

/** Answered with 400 and its message. */
export class BadInput extends Error {}

/** @throws BadInput with what is wrong */
export async function read<T>(c: Context<Env>, schema: z.ZodType<T>): Promise<T> {
  const body: unknown = await c.req.json().catch(() => {
    throw new BadInput('The body is not JSON.')
  })
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw new BadInput(z.prettifyError(parsed.error))
  return parsed.data
}
