import { z } from 'zod'
import type { Ctx } from '../../context.ts'

/** What an assistant asks later about an action whose person took their time. */
export const statusTool = {
  kind: 'read',
  name: 'action_status',
  description:
    'What became of an action that the person was asked about, by its id; without one, of the last few.',
  input: z.object({ id: z.uuid().optional() }),
} as const

export async function readStatus(ctx: Ctx, userId: string, input: unknown): Promise<string> {
  const { id } = statusTool.input.parse(input ?? {})
  const where = { userId, ...(id !== undefined && { id }) }
  const actions = await ctx.db.toolAction.findMany({ where, orderBy: { id: 'desc' }, take: 5 })
  if (actions.length === 0) return 'There is no such action.'
  const now = ctx.clock.now()
  return actions
    .map((action) =>
      id === undefined ? `${action.tool}: ${tellStatus(action, now)}` : tellStatus(action, now),
    )
    .join('\n')
}

/** In words for the model. */
export function tellStatus(
  { id, state, outcome, expiresAt }: Parameters<typeof isOver>[0] & { id: string; outcome: string | null },
  nowMs: number,
): string {
  if (state === 'ASKED' && expiresAt.getTime() > nowMs) {
    return `The person was asked and has not answered yet. It is done when they agree; nothing is done otherwise. Say so, and do not ask again. Its id is ${id}; action_status tells later what became of it.`
  }
  switch (state) {
    case 'ASKED':
    case 'EXPIRED':
      return 'The person did not answer in time. Nothing was done.'
    case 'REFUSED':
      return 'The person said no. Nothing was done. Do not try again unless they ask for it.'
    case 'APPROVED':
      return `The person agreed, and it is being done. Its id is ${id}; action_status tells later what became of it.`
    case 'DONE':
    case 'FAILED':
      return outcome ?? ''
  }
}

/** Nothing more becomes of it. */
export const isOver = (
  {
    state,
    expiresAt,
  }: { state: 'ASKED' | 'APPROVED' | 'DONE' | 'FAILED' | 'REFUSED' | 'EXPIRED'; expiresAt: Date },
  nowMs: number,
) => (state === 'ASKED' ? expiresAt.getTime() <= nowMs : state !== 'APPROVED')
