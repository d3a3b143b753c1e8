import { pino } from 'pino'
import { openDeps } from '../deps.ts'
import { readEnv } from '../env.ts'
import { compareEverybody } from '../jobs/billing.ts'

// Asks Stripe again about everybody who ever was at checkout, for an operator. Running control planes do the work.
const env = readEnv(process.env)
if (env.DATABASE_URL === undefined) throw new Error('DATABASE_URL is not set')
const deps = await openDeps(env, env.DATABASE_URL, pino({ level: 'error' }))
try {
  console.log(`${await compareEverybody({ ctx: deps.billing })} people are compared with Stripe`)
} finally {
  await deps.close()
}
