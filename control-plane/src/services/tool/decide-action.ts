import { z } from 'zod'
import { nudge } from '../../context.ts'
import { conflict } from '../../errors.ts'
import { requireEntitlement } from '../assistant/require-entitlement.ts'
import { pages } from '../conversation/texts.ts'
import type { OnAnswer } from '../question/kinds.ts'
import { forGood } from '../question/options.ts'
import { findAct } from './catalogue.ts'
import type { ActTool } from './tool.ts'

export const actionOptions = ({ label }: Pick<ActTool, 'label'>) => [
  { id: 'yes', label: 'Yes, do it' },
  { id: 'no', label: 'No' },
  { id: forGood, label: `Always: ${label}` },
]

const subjectSchema = z.object({ actionId: z.uuid() })

/** The person's word on an action, once. Errors: not_entitled (402), action_over (409). */
export const onActionDecided: OnAnswer = async (tx, ctx, { userId, optionId, subject }) => {
  const { actionId: id } = subjectSchema.parse(subject)
  const now = new Date(ctx.clock.now())
  const isYes = optionId !== 'no'
  if (isYes) await requireEntitlement(tx, userId, now)
  const { count } = await tx.toolAction.updateMany({
    where: { id, userId, state: 'ASKED', expiresAt: { gt: now } },
    data: { state: isYes ? 'APPROVED' : 'REFUSED', decidedAt: now, ...(!isYes && { finishedAt: now }) },
  })
  if (count === 0) throw conflict('This question has expired. Nothing was done.', 'action_over')
  const { tool } = await tx.toolAction.findUniqueOrThrow({ where: { id }, select: { tool: true } })
  const audit = (action: string) =>
    tx.auditEvent.create({
      data: { actor: `user:${userId}`, action, subject: `user:${userId}`, data: { tool, actionId: id } },
    })
  await audit(isYes ? 'tool.approved' : 'tool.refused')
  if (optionId === forGood) {
    const permission = { userId, tool }
    await tx.toolPermission.upsert({ where: { userId_tool: permission }, create: permission, update: {} })
    await audit('tool.allowed_always')
  }
  nudge(tx, 'actions', userId)
  nudge(tx, 'user', userId)
  if (!isYes) return 'Nothing was done.'
  return optionId === forGood
    ? `It is being done. From now on your assistant may ${findAct(tool).label} without asking; you can take that back at ${pages.google(ctx.settings.webUrl)}.`
    : 'It is being done.'
}
