import type { Transaction } from '@yourclaw/db'
import { nudge } from '../../context.ts'
import { tools } from '../tool/catalogue.ts'
import type { GoogleService } from './google-services.ts'

/**
 * A connection ends, or another account takes its place: what was allowed or asked was about the old one. Only under the
 * assistant's lock.
 */
export async function endService(
  tx: Transaction,
  input: { userId: string; service: GoogleService; now: Date },
): Promise<void> {
  const { userId, service, now } = input
  const names = tools.flatMap((tool) => (tool.service === service ? [tool.name] : []))
  await tx.toolPermission.deleteMany({ where: { userId, tool: { in: names } } })
  const open = { userId, tool: { in: names } }
  await tx.toolAction.updateMany({
    where: { ...open, state: 'ASKED' },
    data: { state: 'EXPIRED', finishedAt: now },
  })
  // One that is being tried right now says itself what became of it.
  await tx.toolAction.updateMany({
    where: { ...open, state: 'APPROVED', attempts: 0 },
    data: {
      state: 'FAILED',
      finishedAt: now,
      errorCode: 'not_connected',
      outcome: 'It was not done. The connection ended before. (not_connected)',
    },
  })
  nudge(tx, 'actions', userId)
}
