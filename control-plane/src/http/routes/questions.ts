import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { ServiceError } from '../../errors.ts'
import type { ConversationCtx } from '../../services/conversation/ctx.ts'
import { type Answered, answerQuestion } from '../../services/question/answer.ts'
import type { AuthenticatedEnv } from '../middleware/authenticate.ts'
import { jsonBody, jsonResponse, refuseInvalid } from './openapi.ts'

const answerRoute = createRoute({
  method: 'post',
  path: '/questions/{questionId}/answer',
  tags: ['messages'],
  summary: 'Answer what a message asks: once, before it expires',
  request: {
    params: z.object({ questionId: z.uuid() }),
    ...jsonBody(z.object({ option: z.string().min(1).max(200) })),
  },
  responses: jsonResponse(200, z.object({ text: z.string() }), 'What came of it, in words'),
})

const statusOf = {
  not_asked: 404,
  no_such_option: 400,
  already_answered: 409,
  expired: 410,
  refused: 409,
} as const satisfies Record<Exclude<Answered['outcome'], 'answered'>, number>

/** Questions of the assistant and of ours, as cards on the web; phones answer them through their webhooks. */
export function questionRoutes(ctx: ConversationCtx) {
  return new OpenAPIHono<AuthenticatedEnv>({ defaultHook: refuseInvalid }).openapi(answerRoute, async (c) => {
    const { questionId } = c.req.valid('param')
    const choice = { id: c.req.valid('json').option }
    const from = { channel: 'WEB', address: c.get('user').id } as const
    const { outcome, text } = await answerQuestion({ ctx, input: { questionId, choice, from } })
    if (outcome !== 'answered') throw new ServiceError(statusOf[outcome], `question_${outcome}`, text)
    return c.json({ text }, 200)
  })
}
