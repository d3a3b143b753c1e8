import { openDatabase } from '@yourclaw/db'
import { pino } from 'pino'
import { readEnv } from '../env.ts'
import { openBoss } from '../jobs/boss.ts'
import { listDeadLetters, resendDeadLetter } from '../jobs/dead-letters.ts'

const usage = `usage: dead-letters            lists what was given up
       dead-letters resend ID… | all   sends it again`

// Messages that were given up, for an operator. Needs DATABASE_URL.
const env = readEnv(process.env)
if (env.DATABASE_URL === undefined) throw new Error('DATABASE_URL is not set')
const [command = 'list', ...ids] = process.argv.slice(2)
const db = openDatabase(env.DATABASE_URL, 2)
const boss = await openBoss(env.DATABASE_URL, pino({ level: 'error' }))
try {
  if (command === 'list') await list()
  else if (command === 'resend' && ids.length > 0) await resend()
  else {
    console.error(usage)
    process.exitCode = 2
  }
} finally {
  await boss.stop({ graceful: false })
  await db.$disconnect()
}

async function list(): Promise<void> {
  const letters = await listDeadLetters({ db, boss })
  for (const { id, channel, diedAt, messageId = '-', code = '-' } of letters) {
    console.log([id, diedAt.toISOString(), channel, code, messageId].join('  '))
  }
  console.log(letters.length === 0 ? 'Nothing was given up.' : `${letters.length} given up`)
}

async function resend(): Promise<void> {
  const wanted = ids.includes('all') ? (await listDeadLetters({ db, boss })).map(({ id }) => id) : ids
  for (const id of wanted) {
    const isSent = await resendDeadLetter({ db, boss }, id)
    console.log(`${id}  ${isSent ? 'sent again' : 'there is none that can be read'}`)
    if (!isSent) process.exitCode = 1
  }
}
