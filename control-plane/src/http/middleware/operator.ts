import { createMiddleware } from 'hono/factory'
import type { Ctx } from '../../context.ts'
import { requireOperator } from '../../services/operator/require-operator.ts'
import type { AuthenticatedEnv } from './authenticate.ts'

export interface OperatorEnv {
  /** Who acts, for the audit. */
  Variables: AuthenticatedEnv['Variables'] & { actor: string }
}

/** Lets operators through alone; stands behind `authenticate`. */
export const operatorsOnly = (ctx: Ctx) =>
  createMiddleware<OperatorEnv>(async (c, next) => {
    const { actor } = await requireOperator({ ctx, input: { userId: c.get('user').id } })
    c.set('actor', actor)
    await next()
  })
