import { setImmediate as nextTurn } from 'node:timers/promises'
import { Prisma } from '@yourclaw/db'
import { readableText } from '../../channels/render.ts'
import type { Ctx } from '../../context.ts'

/** Messages that one search looks through at most; the next page goes on where it stopped. */
const searched = 5_000
/** Of those, how many may be read as their person reads them, and for how long: answers are strangers' input, too. */
const maxCandidates = 100
/** Of a message, in characters: a longer one is not read to its end. */
const longestRead = 100_000
const budgetMs = 200
const maxWords = 10
const marks = '*_~`\\'

/** Where it stands, with some of what is around it, as it is read. */
export interface Place {
  before: string
  hit: string
  after: string
}

/**
 * What holds the query in the words that a person reads, newest first, whatever marks stand between them. Bounded by the
 * messages it looks through, not by an index that every message would have to pay for: such a page may be short and
 * still go on `before` a place.
 */
export async function searchMessages(
  ctx: Ctx,
  input: { userId: string; before?: bigint | undefined; query: string; limit: number },
): Promise<{ places: Map<string, Place>; goesOnBefore: bigint | undefined }> {
  const { limit } = input
  const wanted = new RegExp(RegExp.escape(onOneLine(input.query)), 'iu')
  const { candidates, oldest } = await findCandidates(ctx, input)
  const places = new Map<string, Place>()
  const startedMs = performance.now()
  for (const [index, { id, seq, body, direction }] of candidates.entries()) {
    // A person's own words are shown as they wrote them.
    const text = onOneLine(direction === 'INBOUND' ? body : readableText(body))
    const found = wanted.exec(text)
    if (found) places.set(id, placeIn(text, found))
    if (places.size > limit) return { places, goesOnBefore: undefined }
    const isLast = index === candidates.length - 1
    const isFull = isLast && candidates.length === maxCandidates
    if (isFull || (!isLast && performance.now() - startedMs > budgetMs)) return { places, goesOnBefore: seq }
    await nextTurn()
  }
  return { places, goesOnBefore: oldest }
}

interface Candidate {
  id: string
  seq: bigint
  body: string
  direction: 'INBOUND' | 'OUTBOUND'
}

/**
 * Every message that may hold it: its words are there, once what marks other words is left out. A word that an entity or
 * a link cuts in two is not found.
 */
async function findCandidates(
  ctx: Ctx,
  { userId, before, query }: { userId: string; before?: bigint | undefined; query: string },
): Promise<{ candidates: Candidate[]; oldest: bigint | undefined }> {
  const words = (query.match(/[\p{L}\p{M}\p{N}]+/gu) ?? []).slice(0, maxWords)
  const holds = (text: Prisma.Sql, word: string) =>
    Prisma.sql`${text} COLLATE "pg_c_utf8" ILIKE ${`%${word.replaceAll(/[\\%_]/g, '\\$&')}%`}`
  const conditions =
    words.length > 0
      ? words.map((word) => holds(Prisma.sql`translate(body, ${marks}, '')`, word))
      : [holds(Prisma.sql`body`, query)]
  const older = before === undefined ? Prisma.empty : Prisma.sql`AND seq < ${before}`
  const rows = await ctx.db.$queryRaw<{ candidates: Candidate[]; oldest: string | null; looked: bigint }[]>`
    WITH newest AS (
      SELECT id, seq, left(coalesce(written, body), ${longestRead}) AS body, direction FROM messages WHERE user_id = ${userId}::uuid ${older}
      ORDER BY seq DESC LIMIT ${searched}
    ), found AS (
      SELECT * FROM newest WHERE ${Prisma.join(conditions, ' AND ')} ORDER BY seq DESC LIMIT ${maxCandidates}
    )
    SELECT (SELECT coalesce(json_agg(found ORDER BY seq DESC), '[]') FROM found) AS candidates,
      min(seq)::text AS oldest, count(*) AS looked FROM newest`
  const { candidates = [], oldest = null, looked = 0n } = rows[0] ?? {}
  return {
    candidates: candidates.map((one) => ({ ...one, seq: BigInt(one.seq) })),
    oldest: oldest !== null && looked === BigInt(searched) ? BigInt(oldest) : undefined,
  }
}

const onOneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim()

const shownBefore = 60
const shownAfter = 140

function placeIn(text: string, { index, 0: hit }: RegExpExecArray): Place {
  const end = index + hit.length
  const before = text.slice(0, index)
  const after = text.slice(end)
  return {
    before: before.length > shownBefore ? `…${before.slice(-shownBefore).toWellFormed()}` : before,
    hit,
    after: after.length > shownAfter ? `${after.slice(0, shownAfter).toWellFormed()}…` : after,
  }
}
