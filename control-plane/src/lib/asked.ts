import type { Pool } from '@yourclaw/db'

type Db = Pick<Pool, 'executeSql'>

/**
 * A library's call that asks one statement: resolves as soon as it is asked, so that the next one can travel with it.
 * `answer` is for later; on a connection of a transaction statements are answered in the order they were asked.
 */
export async function asked<T>(db: Db, call: (db: Db) => Promise<T>): Promise<{ answer: Promise<T> }> {
  const { promise: sent, resolve } = Promise.withResolvers<void>()
  const answer = call({
    executeSql(text, values) {
      resolve()
      return db.executeSql(text, values)
    },
  })
  await Promise.race([sent, answer])
  return { answer }
}
