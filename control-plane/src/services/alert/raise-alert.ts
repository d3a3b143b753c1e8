import type { Transaction } from '@yourclaw/db'
import { withdrawMail } from '../mail/withdraw-mail.ts'

/** What operators are told of: a closed list, since a kind is also a label of the metric. */
export type AlertKind =
  | 'no_capacity'
  | 'host_silent'
  | 'crash_loop'
  | 'disk'
  | 'orphans'
  | 'dead_letters'
  | 'erasures_late'
  | 'shared_key'

/** A kind and, where several of it can last at once, which: `host_silent:hetzner-7`. */
export type AlertCause = AlertKind | `${AlertKind}:${string}`

/**
 * Tells operators once that something lasts: one mail to each (mailAlerts) and `yourclaw_alerts`. Raising it again
 * changes nothing until it ends (endAlert); one that is back within half an hour is the same one, and not mailed again.
 * `detail` is for people and holds nothing private.
 */
export async function raiseAlert(input: {
  tx: Transaction
  cause: AlertCause
  detail: string
}): Promise<void> {
  const { tx, cause, detail } = input
  if (await isOpen(tx, cause)) return
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext(${`yourclaw.alert:${cause}`}))`
  if (await isOpen(tx, cause)) return
  const reopened = await tx.$executeRaw`
    UPDATE alerts SET ended_at = NULL, detail = ${detail} WHERE id = (
      SELECT id FROM alerts WHERE cause = ${cause} AND ended_at > now() - interval '30 minutes'
      ORDER BY ended_at DESC LIMIT 1)`
  if (reopened === 0) await tx.alert.create({ data: { cause, detail } })
}

/** It is over, and nobody is mailed of it any more. No-op when it is not open. Only within `inTransaction`. */
export async function endAlert({ tx, cause }: { tx: Transaction; cause: AlertCause }): Promise<void> {
  const [ended] = await tx.$queryRaw<{ id: string }[]>`
    UPDATE alerts SET ended_at = now() WHERE cause = ${cause} AND ended_at IS NULL RETURNING id`
  if (ended && (await withdrawMail({ tx, key: alertMailKey(ended.id) })))
    await tx.alert.update({ where: { id: ended.id }, data: { mailedAt: null } })
}

/** One mail an alert. */
export const alertMailKey = (id: string) => `alert:${id}`

const isOpen = async (tx: Transaction, cause: AlertCause) =>
  (await tx.alert.count({ where: { cause, endedAt: null } })) > 0
