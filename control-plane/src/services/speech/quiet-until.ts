import type { Transaction } from '@yourclaw/db'

/** When the user's quiet hours that are now end; null outside of them. In the user's own time, over clock changes. */
export async function quietUntil(tx: Transaction, userId: string, at: Date): Promise<Date | null> {
  const [row] = await tx.$queryRaw<{ until: Date }[]>`
    SELECT ((day + make_interval(mins => until)) AT TIME ZONE time_zone) AS until
    FROM users u
    CROSS JOIN LATERAL (SELECT ${at}::timestamptz AT TIME ZONE u.time_zone AS local) AS l
    CROSS JOIN LATERAL (SELECT quiet_from_minute AS "from", quiet_until_minute AS until,
      (extract(hour FROM local) * 60 + extract(minute FROM local))::int AS minute) AS q
    -- Over midnight, the evening's end on the next day.
    CROSS JOIN LATERAL (SELECT local::date + CASE WHEN "from" > until AND minute >= "from" THEN 1 ELSE 0 END AS day) AS d
    WHERE u.id = ${userId}::uuid AND CASE WHEN "from" <= until
      THEN minute >= "from" AND minute < until
      ELSE minute >= "from" OR minute < until END`
  return row?.until ?? null
}
