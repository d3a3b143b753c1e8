/**
 * `pnpm dev:user [email] [--port-base N]`: a person with an active subscription in the development database, and on
 * standard output a bearer for them. Speaks to the database of a running `npm run dev`, or to DATABASE_URL.
 */
import { parseArgs } from 'node:util'
import { inTransaction } from '../../control-plane/src/context.ts'
import { readEnv } from '../../control-plane/src/env.ts'
import { createTokens } from '../../control-plane/src/lib/tokens.ts'
import { ensureUser } from '../../control-plane/src/services/account/ensure-user.ts'
import { grantCredit } from '../../control-plane/src/services/credit/grant-credit.ts'
import { defaultAt } from '../../control-plane/src/services/model/catalogue.ts'
import { openDatabase } from '../../prisma/src/index.ts'
import { portsFrom } from './ports.ts'

const bearerTtlSeconds = 30 * 86_400

const { values, positionals } = parseArgs({
  options: { 'port-base': { type: 'string' } },
  allowPositionals: true,
})
const portBase = values['port-base'] === undefined ? undefined : Number(values['port-base'])
const ports = portsFrom(portBase)
// The API's address is the issuer of the bearer.
const env = readEnv({ API_URL: `http://localhost:${ports.controlPlane}`, ...process.env })
if (env.NODE_ENV === 'production') throw new Error('This makes development users only')
const [email = 'dev@example.test'] = positionals
const developmentUrl = `postgresql://postgres:yourclaw@127.0.0.1:${ports.postgres}/postgres`
const db = openDatabase(env.DATABASE_URL ?? developmentUrl, 1)
try {
  const userId = await inTransaction({ db }, async (tx) => {
    const { id } = await ensureUser(tx, {
      email,
      name: email.split('@')[0] ?? '',
      model: defaultAt(Date.now()),
    })
    if ((await tx.subscription.count({ where: { userId: id, status: 'ACTIVE' } })) === 0) {
      await tx.subscription.create({ data: { userId: id, status: 'ACTIVE' } })
    }
    await grantCredit({
      tx,
      userId: id,
      amountMicros: 10_000_000n,
      reason: 'grant',
      reference: 'development',
    })
    return id
  })
  console.log(await createTokens(env.SESSION_SIGNING_KEYS, env.API_URL).issue(userId, bearerTtlSeconds))
} finally {
  await db.$disconnect()
}
