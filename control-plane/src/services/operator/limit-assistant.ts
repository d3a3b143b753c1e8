import { type Ctx, inTransaction } from '../../context.ts'
import { invalidInput, notFound } from '../../errors.ts'
import { lockAssistant } from '../assistant/lock-assistant.ts'
import { recordChange } from '../assistant/record-change.ts'
import { triedAgain } from '../assistant/tried-again.ts'
import { findUser } from './find-user.ts'

/** Least and most of each; an idle assistant takes 380 MiB of memory. */
export const limitRanges = {
  memoryMb: [512, 65_536],
  cpuMillis: [100, 64_000],
  pids: [64, 32_768],
  logMb: [2, 1_024],
} as const

export type LimitName = keyof typeof limitRanges
/** null = what hosts give everybody; absent = as it is. */
export type LimitChange = Partial<Record<LimitName, number | null>>

export interface LimitAssistantInput {
  /** Id or e-mail address. */
  user: string
  limits: LimitChange
  /** For the audit. */
  reason: string
  /** "operator:<email>" */
  actor: string
}

/**
 * Gives one assistant other bounds than everybody's. Memory, CPU and processes change while it runs; the size of the log
 * with its next container. A failed assistant is tried again. `changed` is false when they were so. Errors: unknown_user, no_assistant (404),
 * invalid_limit (400).
 */
export function limitAssistant({
  ctx,
  input,
}: {
  ctx: Ctx
  input: LimitAssistantInput
}): Promise<{ changed: boolean }> {
  const { limits, reason, actor } = input
  const named = Object.entries(limits) as [LimitName, number | null][]
  for (const [name, value] of named) requireInRange(name, value)
  if (named.length === 0) throw invalidInput('Name at least one limit.', 'invalid_limit')
  return inTransaction(ctx, async (tx) => {
    const { id: userId } = await findUser(tx, input.user)
    const assistant = await lockAssistant(tx, userId)
    if (assistant.desired === 'ABSENT') throw notFound('That user has no assistant.', 'no_assistant')
    if (named.every(([name, value]) => assistant[name] === value)) return { changed: false }
    await recordChange(tx, assistant, 'LIMITS', { ...limits, ...triedAgain(assistant) })
    const data = { reason, ...limits }
    await tx.auditEvent.create({
      data: { actor, action: 'assistant.limited', subject: `user:${userId}`, data },
    })
    return { changed: true }
  })
}

function requireInRange(name: LimitName, value: number | null): void {
  const [least, most] = limitRanges[name]
  if (value === null || (Number.isInteger(value) && value >= least && value <= most)) return
  throw invalidInput(`${name} is a whole number from ${least} to ${most}.`, 'invalid_limit')
}
