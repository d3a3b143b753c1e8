import { Prisma } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { shown, viewMessage } from './view-message.ts'

/** Messages that one search looks through at most; the next page goes on where it stopped. */
const searched = 5_000

/**
 * One page of the conversation, newest first; `before` is the `nextBefore` of the page after it. With `query` only
 * messages that hold it, in whatever case: such a page may be short, or empty, and still have a next one.
 */
export async function listMessages({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; before?: bigint | undefined; query?: string | undefined; limit: number }
}) {
  const { userId, before, limit } = input
  const found = input.query === undefined ? undefined : await search(ctx, { ...input, query: input.query })
  const rows = await ctx.db.message.findMany({
    where: {
      userId,
      ...(before !== undefined && { seq: { lt: before } }),
      ...(found && { id: { in: found.ids } }),
    },
    orderBy: { seq: 'desc' },
    take: limit + 1,
    include: shown,
  })
  const page = rows.slice(0, limit)
  const nextBefore = rows.length > page.length ? page.at(-1)?.seq : found?.goesOnBefore
  return {
    messages: page.map(viewMessage),
    ...(nextBefore !== undefined && { nextBefore: String(nextBefore) }),
  }
}

/** Bounded by the messages it looks through, not by an index that every message would have to pay for. */
async function search(
  ctx: Ctx,
  input: { userId: string; before?: bigint | undefined; query: string; limit: number },
) {
  const { userId, before, limit } = input
  const pattern = `%${input.query.replaceAll(/[\\%_]/g, '\\$&')}%`
  const older = before === undefined ? Prisma.empty : Prisma.sql`AND seq < ${before}`
  const rows = await ctx.db.$queryRaw<{ ids: string[]; oldest: bigint | null; looked: bigint }[]>`
    WITH newest AS (
      SELECT id, seq, body FROM messages WHERE user_id = ${userId}::uuid ${older} ORDER BY seq DESC LIMIT ${searched}
    ), hits AS (
      SELECT id FROM newest WHERE body COLLATE "pg_c_utf8" ILIKE ${pattern} ORDER BY seq DESC LIMIT ${limit + 1}
    )
    SELECT (SELECT coalesce(array_agg(id::text), '{}') FROM hits) AS ids, min(seq) AS oldest, count(*) AS looked FROM newest`
  const { ids = [], oldest = null, looked = 0n } = rows[0] ?? {}
  return { ids, goesOnBefore: oldest !== null && looked === BigInt(searched) ? oldest : undefined }
}
