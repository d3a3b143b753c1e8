import type { Channel, Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { invalidInput } from '../../errors.ts'
import { lockAssistant } from '../assistant/lock-assistant.ts'
import { recordChange } from '../assistant/record-change.ts'
import { requireOffered } from '../assistant/require-offered.ts'
import { sanitize } from '../conversation/sanitize.ts'
import { type QuietHours, quietColumns } from './quiet-hours.ts'
import { readProfile } from './read-profile.ts'

/** What is absent stays; null means none. */
export interface ProfileChange {
  name?: string | undefined
  timeZone?: string | undefined
  /** Whether the assistant may speak first. */
  proactive?: boolean | undefined
  /** Where the assistant speaks first; null = where the person wrote last. */
  proactiveChannel?: Channel | null | undefined
  quietHours?: QuietHours | null | undefined
  fallbackModel?: string | null | undefined
}

/**
 * Changes what is given and returns the profile. Errors: invalid_input, channel_unavailable, invalid_quiet_hours,
 * unknown_model.
 */
export async function updateProfile({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; change: ProfileChange }
}) {
  const { userId, change } = input
  const { name, timeZone, proactive, proactiveChannel, quietHours, fallbackModel } = change
  if (timeZone !== undefined) await requireTimeZone(ctx, timeZone)
  if (proactiveChannel && !ctx.settings.channels.includes(proactiveChannel))
    throw invalidInput('This channel cannot be connected here.', 'channel_unavailable')
  if (quietHours && quietHours.from === quietHours.until)
    throw invalidInput('Quiet hours cannot begin and end at the same time.', 'invalid_quiet_hours')
  if (fallbackModel) requireOffered(fallbackModel, ctx.clock.now())
  const data = {
    ...(name !== undefined && { name: sanitize(name) }),
    ...(timeZone !== undefined && { timeZone }),
    ...(proactive !== undefined && { proactive }),
    ...(proactiveChannel !== undefined && { proactiveChannel }),
    ...(quietHours !== undefined && quietColumns(quietHours)),
    ...(fallbackModel !== undefined && { fallbackModel }),
  }
  await inTransaction(ctx, async (tx) => {
    if (fallbackModel !== undefined) await applyFallback(tx, userId, fallbackModel)
    await tx.user.update({ where: { id: userId }, data })
    const actor = `user:${userId}`
    const changed = { changed: Object.keys(data) }
    await tx.auditEvent.create({ data: { actor, action: 'account.changed', subject: actor, data: changed } })
    nudge(tx, 'user', userId)
  })
  return readProfile({ ctx, input: { userId } })
}

/** The assistant's host hears of it, since OpenClaw is what falls back. */
async function applyFallback(tx: Transaction, userId: string, fallbackModel: string | null): Promise<void> {
  const assistant = await lockAssistant(tx, userId)
  const user = await tx.user.findUniqueOrThrow({ where: { id: userId }, select: { fallbackModel: true } })
  if (assistant.desired === 'ABSENT' || user.fallbackModel === fallbackModel) return
  await recordChange(tx, assistant, 'MODEL')
}

/** The database counts a user's days, so it is the one that must know the name. */
async function requireTimeZone(ctx: Ctx, name: string): Promise<void> {
  const known = await ctx.db.$queryRaw<unknown[]>`SELECT 1 FROM pg_timezone_names WHERE name = ${name}`
  if (known.length === 0) throw invalidInput('timeZone: is not a known IANA time zone')
}
