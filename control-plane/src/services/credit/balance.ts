import type { Transaction } from '@yourclaw/db'

/** In micro-dollars. */
export interface Balance {
  /** The sum of the ledger; below zero when a call cost more than was left. */
  remainingMicros: bigint
  /** Spent on shared keys in the person's own month. */
  monthSpentMicros: bigint
  /** What the person allows for a month; null = no cap. */
  monthlyCapMicros: bigint | null
  /** When the next month begins. */
  monthEndsAt: Date
}

/** The balances of `userIds` at `at`; the months are the people's own. Nobody is left out who exists. */
export async function readBalances(
  tx: Transaction,
  userIds: readonly string[],
  at: Date,
): Promise<Map<string, Balance>> {
  const rows = await tx.$queryRaw<(Balance & { userId: string })[]>`
    SELECT u.id AS "userId", u.monthly_cap_micros AS "monthlyCapMicros", month.ends_at AS "monthEndsAt",
      coalesce(sum(e.amount_micros), 0)::bigint AS "remainingMicros",
      coalesce(-sum(e.amount_micros) FILTER (WHERE e.reason = 'usage' AND e.created_at >= month.began_at), 0)::bigint
        AS "monthSpentMicros"
    FROM users u
    CROSS JOIN LATERAL (SELECT date_trunc('month', ${at}::timestamptz AT TIME ZONE u.time_zone) AS local) AS m
    CROSS JOIN LATERAL (SELECT m.local AT TIME ZONE u.time_zone AS began_at,
      (m.local + interval '1 month') AT TIME ZONE u.time_zone AS ends_at) AS month
    LEFT JOIN credit_entries e ON e.user_id = u.id
    WHERE u.id = ANY(${userIds}::uuid[])
    GROUP BY u.id, month.began_at, month.ends_at`
  return new Map(rows.map(({ userId, ...balance }) => [userId, balance]))
}

/** What may still be spent, never below zero. */
export function spendable({ remainingMicros, monthSpentMicros, monthlyCapMicros }: Balance): bigint {
  const inMonth = monthlyCapMicros === null ? remainingMicros : monthlyCapMicros - monthSpentMicros
  const least = inMonth < remainingMicros ? inMonth : remainingMicros
  return least > 0n ? least : 0n
}
