import type { Question } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { viewColumns, viewOf } from '../attachment/attachment.ts'
import { optionsOf } from '../question/options.ts'
import { stoppedCode } from './fail-turn.ts'

/** One page of the conversation, newest first; `before` is the `nextBefore` of the page after it. */
export async function listMessages({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; before?: bigint | undefined; limit: number }
}) {
  const rows = await ctx.db.message.findMany({
    where: { userId: input.userId, ...(input.before === undefined ? {} : { seq: { lt: input.before } }) },
    orderBy: { seq: 'desc' },
    take: input.limit + 1,
    include: {
      attachments: { orderBy: { position: 'asc' }, select: viewColumns },
      question: { select: { id: true, options: true, expiresAt: true, answer: true } },
    },
  })
  const page = rows.slice(0, input.limit)
  const oldest = page.at(-1)
  return {
    messages: page.map(({ id, direction, channel, body, createdAt, state, code, question, attachments }) => ({
      id,
      direction,
      channel,
      body,
      at: createdAt.toISOString(),
      state,
      attachments: attachments.map(viewOf),
      ...(code === stoppedCode && { stopped: true as const }),
      ...(question && { question: questionView(question) }),
    })),
    ...(rows.length > page.length && oldest !== undefined ? { nextBefore: String(oldest.seq) } : {}),
  }
}

type Asked = Pick<Question, 'id' | 'options' | 'expiresAt' | 'answer'>

const questionView = ({ id, options, expiresAt, answer }: Asked) => ({
  id,
  options: optionsOf({ options }),
  expiresAt: expiresAt.toISOString(),
  ...(answer !== null && { answer }),
})
