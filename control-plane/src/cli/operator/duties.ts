import type { PgBoss } from 'pg-boss'
import { z } from 'zod'
import { notFound } from '../../errors.ts'
import { listDeadLetters, resendDeadLetter } from '../../jobs/dead-letters.ts'
import { listAlerts } from '../../services/operator/list-alerts.ts'
import type { Command } from './commands.ts'
import { table, when } from './print.ts'

export const dutyCommands: Command[] = [
  {
    name: 'alerts list',
    args: [],
    summary: 'What lasts and needs somebody, and then what is over.',
    async run({ ctx }) {
      const alerts = await listAlerts({ ctx })
      const nowMs = ctx.clock.now()
      const rows = alerts.map(({ cause, detail, raisedAt, endedAt }) => [
        cause,
        endedAt === null ? 'lasts' : `over ${when(endedAt, nowMs)}`,
        when(raisedAt, nowMs),
        detail,
      ])
      const text =
        rows.length === 0 ? 'Nothing was raised.' : table(['CAUSE', 'STATE', 'RAISED', 'DETAIL'], rows)
      return { result: { alerts }, text }
    },
  },
  {
    name: 'dead-letters list',
    args: [],
    needsBoss: true,
    summary: 'Messages that were given up, the oldest first.',
    async run({ ctx, boss }) {
      const deadLetters = await listDeadLetters({ db: ctx.db, boss: started(boss) })
      const nowMs = ctx.clock.now()
      const rows = deadLetters.map(({ id, channel, diedAt, code = null, meaning, messageId = null }) => [
        id,
        when(diedAt.toISOString(), nowMs),
        channel,
        meaning === undefined ? code : `${code}: ${meaning}`,
        messageId,
      ])
      const heads = ['ID', 'GIVEN UP', 'CHANNEL', 'WHY', 'MESSAGE']
      return {
        result: { deadLetters },
        text: rows.length === 0 ? 'Nothing was given up.' : table(heads, rows),
      }
    },
  },
  {
    name: 'dead-letters resend',
    args: ['ID'],
    takesMany: true,
    needsBoss: true,
    summary: 'Sends them again, or "all", each behind what waits for the same person.',
    async run({ ctx, boss, actor, args }) {
      const deps = { db: ctx.db, boss: started(boss) }
      const ids = args.includes('all') ? (await listDeadLetters(deps)).map(({ id }) => id) : args
      const outcomes: { id: string; resent: boolean }[] = []
      for (const id of ids) {
        const resent = z.guid().safeParse(id).success && (await resendDeadLetter(deps, { id, actor }))
        outcomes.push({ id, resent })
      }
      if (ids.length > 0 && outcomes.every(({ resent }) => !resent)) {
        throw notFound('None of them is a dead letter that can be read.', 'unknown_dead_letter')
      }
      const line = ({ id, resent }: (typeof outcomes)[number]) =>
        `${id}  ${resent ? 'sent again' : 'there is none that can be read'}`
      const text = outcomes.length === 0 ? 'Nothing was given up.' : outcomes.map(line).join('\n')
      return { result: { deadLetters: outcomes }, text }
    },
  },
]

function started(boss: PgBoss | undefined): PgBoss {
  if (!boss) throw new Error('the command did not ask for the queues')
  return boss
}
