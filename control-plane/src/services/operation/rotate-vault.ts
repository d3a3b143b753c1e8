import { setTimeout as pause } from 'node:timers/promises'
import { Prisma, type Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { keyIdOf, type Vault } from '../../lib/vault.ts'
import { type SealedColumn, sealedColumns } from './sealed-columns.ts'

export interface Rotation {
  /** Secrets that this run sealed anew, by `table.column`. */
  rotated: Record<string, number>
  /** Secrets that no configured key opens, as `table.column id`; they stay as they are. */
  unreadable: string[]
  /** Secrets by the id of the key they are sealed with now; '' = not made by a vault. */
  keys: Map<string, number>
}

interface Row {
  id: string
  sealed: string
}

const batchSize = 100
/** A row that a transaction holds is left for the next pass; a transaction of ours ends within 20 s. */
const passes = 30
const pauseMs = 1_000

/**
 * Seals every stored secret with the newest key. May be stopped and started again at any point, and run by several at
 * once: what is left to do is what the rows themselves say. Locked rows are passed over, so that neither we nor a
 * conversation waits for the other; who writes a secret meanwhile wins.
 */
export async function rotateVault({
  ctx,
  vault,
  input,
}: {
  ctx: Ctx
  vault: Vault
  /** Who asked for it, e.g. "operator:<email>"; for the audit. */
  input: { startedBy: string }
}): Promise<Rotation> {
  const rotated: Rotation['rotated'] = {}
  const unreadable = new Set<string>()
  for (let pass = 1; pass <= passes; pass += 1) {
    unreadable.clear()
    for (const where of sealedColumns) {
      const name = `${where.table}.${where.column}`
      const done = await rotateColumn(ctx, vault, where, (id) => unreadable.add(`${name} ${id}`))
      rotated[name] = (rotated[name] ?? 0) + done
    }
    if ((await countOld(ctx, vault)) <= unreadable.size) break
    if (pass < passes) await pause(pauseMs)
  }
  const data = { rotated, unreadable: unreadable.size }
  await ctx.db.auditEvent.create({
    data: { actor: input.startedBy, action: 'vault.rotated', subject: 'vault', data },
  })
  return { rotated, unreadable: [...unreadable], keys: await countByKey(ctx) }
}

async function rotateColumn(
  ctx: Ctx,
  vault: Vault,
  where: SealedColumn,
  onUnreadable: (id: string) => void,
): Promise<number> {
  let done = 0
  let after: string | null = null
  for (;;) {
    const batch: { last: string | null; done: number } = await inTransaction(ctx, async (tx) => {
      const rows = await lockBatch(tx, vault, where, after)
      const sealed = await Promise.all(rows.map((row) => resealed(vault, row, onUnreadable)))
      const changed = sealed.filter((row) => row !== null)
      if (changed.length > 0) await store(tx, where, changed)
      if (where.table === 'assistants') await wakeHosts(tx, rows)
      return { last: rows.at(-1)?.id ?? null, done: changed.length }
    })
    done += batch.done
    if (batch.last === null) return done
    after = batch.last
  }
}

const names = ({ table, column, idType }: SealedColumn) => ({
  table: Prisma.raw(`"${table}"`),
  column: Prisma.raw(`"${column}"`),
  idType: Prisma.raw(idType),
})

function lockBatch(tx: Transaction, vault: Vault, where: SealedColumn, after: string | null): Promise<Row[]> {
  const { table, column, idType } = names(where)
  const next = after === null ? Prisma.empty : Prisma.sql`AND id > ${after}::${idType}`
  return tx.$queryRaw<Row[]>`
    SELECT id::text AS id, ${column} AS sealed FROM ${table}
    WHERE NOT starts_with(${column}, ${vault.newestPrefix}) ${next}
    ORDER BY ${table}.id LIMIT ${batchSize} FOR UPDATE SKIP LOCKED`
}

async function resealed(vault: Vault, row: Row, onUnreadable: (id: string) => void): Promise<Row | null> {
  let secret: string
  try {
    secret = await vault.open(row.sealed)
  } catch {
    // Reported by its id; the reason is always the same: no key that we have opens it.
    onUnreadable(row.id)
    return null
  }
  return { id: row.id, sealed: await vault.seal(secret) }
}

async function store(tx: Transaction, where: SealedColumn, rows: Row[]): Promise<void> {
  const { table, column, idType } = names(where)
  await tx.$executeRaw`
    UPDATE ${table} SET ${column} = changed.sealed
    FROM unnest(${rows.map(({ id }) => id)}::text[], ${rows.map(({ sealed }) => sealed)}::text[])
      AS changed (id, sealed)
    WHERE ${table}.id = changed.id::${idType}`
}

/** A claim passes over assistants that we hold, and nothing else would tell it that we let go. */
async function wakeHosts(tx: Transaction, rows: Row[]): Promise<void> {
  const hosts = await tx.assistant.findMany({
    where: { id: { in: rows.map(({ id }) => id) }, hostServerId: { not: null } },
    distinct: ['hostServerId'],
    select: { hostServerId: true },
  })
  for (const { hostServerId } of hosts) if (hostServerId !== null) nudge(tx, 'turns', hostServerId)
}

async function countOld(ctx: Ctx, vault: Vault): Promise<number> {
  let old = 0
  for (const where of sealedColumns) {
    const { table, column } = names(where)
    const [row] = await ctx.db.$queryRaw<{ n: number }[]>`
      SELECT count(*)::int AS n FROM ${table} WHERE NOT starts_with(${column}, ${vault.newestPrefix})`
    old += row?.n ?? 0
  }
  return old
}

async function countByKey(ctx: Ctx): Promise<Map<string, number>> {
  const keys = new Map<string, number>()
  for (const where of sealedColumns) {
    const { table, column } = names(where)
    const rows = await ctx.db.$queryRaw<{ header: string; n: number }[]>`
      SELECT split_part(${column}, '.', 1) AS header, count(*)::int AS n FROM ${table}
      WHERE ${column} IS NOT NULL GROUP BY 1`
    for (const { header, n } of rows) {
      const id = keyIdOf(`${header}....`) ?? ''
      keys.set(id, (keys.get(id) ?? 0) + n)
    }
  }
  return keys
}
