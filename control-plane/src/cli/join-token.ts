import { openDatabase } from '@yourclaw/db'
import { pino } from 'pino'
import { systemClock } from '../context.ts'
import { settingsOf } from '../deps.ts'
import { readEnv } from '../env.ts'
import { createJoinToken } from '../services/host/create-join-token.ts'

// Prints a single-use join token, good for an hour, on standard output. Needs DATABASE_URL. With a host name as argument
// the token is good for that host only, which may exist already.
const env = readEnv(process.env)
if (env.DATABASE_URL === undefined) throw new Error('DATABASE_URL is not set')
const db = openDatabase(env.DATABASE_URL, 1)
const ctx = { db, clock: systemClock, log: pino({ enabled: false }), settings: settingsOf(env) }
const [hostName] = process.argv.slice(2)
const input = { createdBy: 'operator:cli', ...(hostName === undefined ? {} : { hostName }) }
const { token } = await createJoinToken({ ctx, input })
console.log(token)
await db.$disconnect()
