import { fromPrisma, type Job, type PgBoss } from 'pg-boss'
import { z } from 'zod'
import type { Ctx } from '../context.ts'

/**
 * Part of a job: how often it was put off because there was no room for it at its provider, and since when. That is no
 * failed try, so it is bounded by its age alone.
 */
export const waitedSchema = z.object({
  count: z.number().int().min(0),
  sinceMs: z.number(),
  /** Of these, those of which the provider did not say how long: counted apart, so that our own pace adds nothing. */
  guessed: z.number().int().min(0).default(0),
})
export type Waited = z.infer<typeof waitedSchema>

/** Longer than any wait that a provider asks for: a day's number of messages may be used up. */
const longestWaitMs = 48 * 3_600_000

const longestGuessMs = 300_000

/** As long as the provider asked; where it did not say, longer each time, up to a few minutes. */
export function waitOf(
  { retryAfterMs, isGuess }: { retryAfterMs: number; isGuess: boolean },
  waited: Waited | undefined,
): number {
  if (!isGuess) return retryAfterMs
  return Math.max(retryAfterMs, Math.min(retryAfterMs * 2 ** (waited?.guessed ?? 0), longestGuessMs))
}

/** The tries of a job that count: all but those that found no room. */
export const triesOf = ({ retryCount }: { retryCount: number }, waited: Waited | undefined) =>
  retryCount - (waited?.count ?? 0)

export const hasWaitedTooLong = (waited: Waited | undefined, nowMs: number) =>
  waited !== undefined && nowMs - waited.sinceMs >= longestWaitMs

/** Puts a job off by as long as `waitOf` says, in place of the backoff, and gives it another try for this one. */
export async function waitLonger(
  { ctx, boss, queue }: { ctx: Pick<Ctx, 'db' | 'clock'>; boss: PgBoss; queue: string },
  job: Job<unknown>,
  input: {
    data: { waited?: Waited | undefined } | undefined
    wait: { retryAfterMs: number; isGuess: boolean }
    retryLimit: number
  },
): Promise<void> {
  const { data, wait, retryLimit } = input
  const { count, sinceMs, guessed } = data?.waited ?? { count: 0, sinceMs: ctx.clock.now(), guessed: 0 }
  const waited: Waited = { count: count + 1, sinceMs, guessed: guessed + (wait.isGuess ? 1 : 0) }
  const waitMs = waitOf(wait, data?.waited)
  await ctx.db.$transaction(async (tx) => {
    const within = { db: fromPrisma(tx) }
    await boss.fail(queue, job, { code: 'rate_limited' }, within)
    const changed = data && { ...data, waited }
    const startAfter = Math.ceil(waitMs / 1000)
    const options = { id: job.id, startAfter, retryLimit: retryLimit + waited.count, ...within }
    await boss.update(queue, changed, options)
  })
}
