import { type PoolTransaction, Prisma } from '@yourclaw/db'

/*
 * What is locked in a transaction, kept where its next statements find it: so that they need not wait for the lock's
 * answer, and travel to the database together with it.
 */

/** Asks for the locks of `ids`, a query of one column `id` that ends in FOR UPDATE. Once in a transaction. */
export const lockAll = (tx: PoolTransaction, ids: Prisma.Sql): Promise<unknown> =>
  tx.query(Prisma.sql`
    SELECT set_config('yourclaw.locked', coalesce(array_agg(id), '{}')::text, true) FROM (${ids}) AS locked`)

/** The ids that `lockAll` got, in a later statement: which sees what the holders of the locks before us wrote. */
export const locked = Prisma.sql`current_setting('yourclaw.locked')::uuid[]`
