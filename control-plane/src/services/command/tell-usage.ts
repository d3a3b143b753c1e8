import type { ConversationCtx } from '../conversation/ctx.ts'
import { nameOf } from '../model/catalogue.ts'
import { readUsage } from '../usage/read-usage.ts'
import type { CommandCall } from './commands.ts'
import { dollars } from './dollars.ts'

const mostModels = 10
const count = (tokens: number) => new Intl.NumberFormat('en-US').format(tokens)
/** Of the credit, behind what it was spent for; nothing of nothing, as who brings keys of their own spends none. */
const spent = (micros: number) =>
  micros === 0 ? '' : `, ${micros < 10_000 ? 'less than a cent' : dollars(micros)} of your credit`

/** What today and the last 30 days took, and which models it went to. */
export async function tellUsage(ctx: ConversationCtx, { userId }: CommandCall): Promise<string> {
  const { today, days, models } = await readUsage({ ctx, input: { userId } })
  const sum = (of: (day: (typeof days)[number]) => number) => days.reduce((total, day) => total + of(day), 0)
  const lines = models.slice(0, mostModels).map(({ model, inputTokens, outputTokens, costMicros }) => {
    const name = nameOf(model)
    return `- ${name}: ${count(inputTokens + outputTokens)} tokens${spent(costMicros)}`
  })
  return [
    `- Today: ${count(today.inbound)} messages in, ${count(today.outbound)} out`,
    `- Last 30 days: ${count(sum((day) => day.inbound))} in, ${count(sum((day) => day.outbound))} out${spent(sum((day) => day.costMicros))}`,
    ...lines,
  ].join('\n')
}
