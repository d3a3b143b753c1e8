import { formatDay, formatMoment } from '../../mail/format.ts'
import { readProfile } from '../account/read-profile.ts'
import { type AssistantView, getAssistant } from '../assistant/get-assistant.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { waitUntil } from '../conversation/texts.ts'
import { nameOf, soonEndOf } from '../model/catalogue.ts'
import { readUsage } from '../usage/read-usage.ts'
import type { CommandCall } from './commands.ts'
import { dollars } from './dollars.ts'

/** The assistant, the plan, the limits and the credit of whoever asks, in a few lines. */
export async function tellStatus(ctx: ConversationCtx, { userId }: CommandCall): Promise<string> {
  const input = { userId }
  const [profile, assistant, { today }] = await Promise.all([
    readProfile({ ctx, input }),
    getAssistant({ ctx, input }),
    readUsage({ ctx, input }),
  ])
  const { credits } = profile
  const resets = waitUntil(new Date(today.resetsAt), ctx.clock.now())
  return [
    `- Assistant: ${standingOf(assistant)}, ${modelOf(assistant, ctx.clock.now())}`,
    `- Plan: ${planOf(profile)}`,
    `- Today: ${today.inbound} of ${today.limit} messages; counted anew ${resets}`,
    `- Credit: ${dollars(credits.remainingMicros)}`,
  ].join('\n')
}

function modelOf({ model }: AssistantView, nowMs: number): string {
  const ends = soonEndOf(model, nowMs)
  return ends
    ? `${nameOf(model)} (until ${formatDay(ends.on, 'UTC')}, then ${ends.next.name})`
    : nameOf(model)
}

function standingOf({ status, suspended, lastError }: AssistantView): string {
  if (suspended) return 'paused'
  switch (status) {
    case 'NONE':
      return 'none yet'
    case 'PROVISIONING':
      return 'being set up'
    case 'READY':
      return 'ready'
    case 'ERROR':
      return `not running (${lastError?.detail ?? 'unknown cause'})`
  }
}

type Profile = Awaited<ReturnType<typeof readProfile>>

function planOf({ subscription, timeZone }: Profile): string {
  if (subscription === null || subscription.status === 'CANCELED') return 'none'
  if (subscription.status === 'PAST_DUE') return 'payment is due'
  const { trialEnd, currentPeriodEnd: end, cancelAtPeriodEnd } = subscription
  const until = end === undefined ? '' : ` until ${formatMoment(end, timeZone)}`
  if (cancelAtPeriodEnd) return `canceled, runs${until}`
  const isTrial = trialEnd !== undefined && trialEnd === end
  return isTrial ? `trial${until}` : 'active'
}
