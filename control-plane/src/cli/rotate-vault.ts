import { openDatabase } from '@yourclaw/db'
import { pino } from 'pino'
import { systemClock } from '../context.ts'
import { settingsOf } from '../deps.ts'
import { readEnv } from '../env.ts'
import { createVault, parseKeys } from '../lib/vault.ts'
import { rotateVault } from '../services/operation/rotate-vault.ts'

// Seals every stored secret with the first key of ENCRYPTION_KEYS; the others open what is there. Needs DATABASE_URL.
// Safe beside running control planes and beside itself. Ends with 0 when no secret needs another key any more.
const shownAtMost = 20
const env = readEnv(process.env)
if (env.DATABASE_URL === undefined) throw new Error('DATABASE_URL is not set')
const db = openDatabase(env.DATABASE_URL, 2)
const ctx = { db, clock: systemClock, log: pino({ enabled: false }), settings: settingsOf(env) }
const { rotated, unreadable, keys } = await rotateVault({
  ctx,
  vault: createVault(env.ENCRYPTION_KEYS),
  input: { startedBy: 'operator:cli' },
})
await db.$disconnect()

for (const [column, count] of Object.entries(rotated)) console.log(`${column}: ${count} sealed anew`)
for (const secret of unreadable.slice(0, shownAtMost)) {
  console.log(`${secret}: no key of ENCRYPTION_KEYS opens it`)
}
if (unreadable.length > shownAtMost) console.log(`… and ${unreadable.length - shownAtMost} more`)
const [newest = '', ...others] = parseKeys(env.ENCRYPTION_KEYS).keys()
for (const [id, count] of keys) console.log(`key ${id || '(none)'}: ${count} secrets`)
for (const id of others.filter((other) => !keys.has(other))) {
  console.log(`key ${id}: no secret needs it; remove it once every control plane seals with ${newest}`)
}
const isDone = [...keys.keys()].every((id) => id === newest)
console.log(
  isDone ? `done: ${newest} opens every secret` : 'not done: run it again, or see the secrets above',
)
process.exitCode = isDone ? 0 : 1
