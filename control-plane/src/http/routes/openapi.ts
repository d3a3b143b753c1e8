import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { invalidInput } from '../../errors.ts'

export const problem = z.object({ detail: z.string(), code: z.string() }).openapi('Problem')

const json = <T extends z.ZodType>(schema: T) => ({ content: { 'application/json': { schema } } })

export const jsonBody = <T extends z.ZodType>(schema: T) => ({ body: { ...json(schema), required: true } })

/** The response of a route that answers JSON; errors are `{ detail, code }` everywhere. */
export function jsonResponse<Status extends number, T extends z.ZodType>(
  status: Status,
  schema: T,
  description: string,
) {
  return {
    [status]: { ...json(schema), description },
    default: { ...json(problem), description: 'An error' },
  } as Record<Status, { content: { 'application/json': { schema: T } }; description: string }>
}

/** Turns failed validation into our one error shape; says which field, never its value. */
export function refuseInvalid(result: { success: boolean; error?: z.core.$ZodError }, _: Context): void {
  if (result.success || result.error === undefined) return
  const [issue] = result.error.issues
  throw invalidInput(
    issue === undefined ? 'The input is not valid.' : `${issue.path.join('.') || 'input'}: ${issue.message}`,
  )
}
