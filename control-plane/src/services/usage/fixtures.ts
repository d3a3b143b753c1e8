import { createFixture, createPerson } from '../conversation/fixtures.ts'

/** For tests: people with assistants on hosts, and what was stored of their calls. */
export async function moneyFixture(size: { hosts: number; people: number }) {
  const { db, ctx, clock, close } = await createFixture()
  const hostIds: string[] = []
  for (let index = 0; index < size.hosts; index += 1) {
    const { id } = await db.hostServer.create({ data: { name: `money-${index}` } })
    hostIds.push(id)
  }
  const people: { userId: string; assistantId: string; hostId: string }[] = []
  for (let index = 0; index < size.people; index += 1) {
    const { userId } = await createPerson(db)
    const hostId = hostIds[index % hostIds.length] ?? ''
    const moved = await db.assistant.update({ where: { userId }, data: { hostServerId: hostId } })
    people.push({ userId, assistantId: moved.id, hostId })
  }

  /** By person: what the providers told, what was estimated, and what the ledger says was spent. */
  async function sums() {
    const rows = await db.$queryRaw<
      { userId: string; calls: bigint; output: bigint; cut: bigint; sharedCut: bigint; debited: bigint }[]
    >`
      SELECT user_id AS "userId",
        coalesce(sum(calls) FILTER (WHERE NOT estimated), 0)::bigint AS calls,
        coalesce(sum(output_tokens) FILTER (WHERE NOT estimated), 0)::bigint AS output,
        coalesce(sum(calls) FILTER (WHERE estimated), 0)::bigint AS cut,
        coalesce(sum(calls) FILTER (WHERE estimated AND NOT own_key), 0)::bigint AS "sharedCut",
        (SELECT -coalesce(sum(amount_micros), 0) FROM credit_entries c WHERE c.user_id = e.user_id)::bigint AS debited
      FROM usage_events e GROUP BY user_id`
    return new Map(
      rows.map(({ userId, calls, output, cut, sharedCut, debited }) => [
        userId,
        {
          exact: { calls: Number(calls), output },
          cut: { calls: Number(cut), sharedCalls: Number(sharedCut) },
          debited,
        },
      ]),
    )
  }
  return { ctx, clock, close, hostIds, people, sums }
}
