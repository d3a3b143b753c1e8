import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

/** Of ours alone. */
const deployKey = 5_924_114
/** What Prisma's engine takes while it applies migrations, of whatever release. */
const engineKey = 72_707_369
const pollMs = 200

/**
 * Runs `work` as the only deployment, after `before`, while which no engine applies anything. Locks are asked for again
 * and again: whoever waits for one within a statement holds a snapshot, and CREATE INDEX CONCURRENTLY would wait for it.
 */
export async function deployAlone<T>(
  url: string,
  before: (client: pg.Client) => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  // The connection's end is the lock's end; what breaks it shows in the work.
  client.on('error', () => {})
  await client.connect()
  try {
    await lock(client, deployKey)
    await lock(client, engineKey)
    await before(client)
    await client.query('SELECT pg_advisory_unlock($1)', [engineKey])
    return await work()
  } finally {
    await client.end()
  }
}

async function lock(client: pg.Client, key: number): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [key])
    if (rows[0]?.got) return
    await delay(pollMs)
  }
}
