import type { Ctx } from '../../context.ts'

export interface AlertLine {
  cause: string
  detail: string
  /** ISO 8601. */
  raisedAt: string
  /** Null = it lasts. */
  endedAt: string | null
}

const mostEnded = 50

/** What lasts, and then the latest that are over. */
export async function listAlerts({ ctx }: { ctx: Ctx }): Promise<AlertLine[]> {
  const [open, ended] = await Promise.all([
    ctx.db.alert.findMany({ where: { endedAt: null }, orderBy: { raisedAt: 'desc' } }),
    ctx.db.alert.findMany({
      where: { endedAt: { not: null } },
      orderBy: { endedAt: 'desc' },
      take: mostEnded,
    }),
  ])
  return [...open, ...ended].map(({ cause, detail, raisedAt, endedAt }) => ({
    cause,
    detail,
    raisedAt: raisedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  }))
}
