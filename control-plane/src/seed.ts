import type { Prisma, Transaction } from '@yourclaw/db'
import { z } from 'zod'
import { inTransaction } from './context.ts'
import type { Deps } from './deps.ts'
import { ensureUser } from './services/account/ensure-user.ts'
import { createAssistant } from './services/assistant/create-assistant.ts'
import { grantCredit } from './services/credit/grant-credit.ts'
import { defaultAt } from './services/model/catalogue.ts'

const personSchema = z.object({
  name: z.string(),
  email: z.email(),
  telegramUserId: z.number().int(),
  whatsappAddress: z.string(),
  seeded: z.boolean(),
})
const seedCreditMicros = 10_000_000n
const bearerTtlSeconds = 30 * 86_400

/**
 * Development only: gives the sandbox's seeded people an account, a subscription, bound chats and an assistant,
 * so that the phone works at once. Safe to repeat.
 */
export async function seedDevelopment(deps: Deps, sandboxUrl: string): Promise<void> {
  await hearFromStripe(deps, sandboxUrl)
  const answer = await fetch(`${sandboxUrl}/sim/people`)
  const people = z.array(personSchema).parse(await answer.json())
  for (const person of people.filter(({ seeded }) => seeded)) {
    const userId = await seedPerson(deps, person)
    const bearer = await deps.tokens.issue(userId, bearerTtlSeconds)
    await fetch(`${sandboxUrl}/sim/people`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...person, userId, bearer }),
    })
    await createAssistant({ ctx: deps.ctx, vault: deps.vault, input: { userId } })
  }
}

/** What an operator does in Stripe's dashboard; the sandbox forgets it with every start. */
async function hearFromStripe({ env }: Deps, sandboxUrl: string): Promise<void> {
  const url = `${env.API_URL}/api/v1/webhooks/stripe`
  await fetch(`${sandboxUrl}/sim/stripe/webhook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url, secret: env.STRIPE_WEBHOOK_SECRET }),
  })
}

async function seedPerson({ ctx }: Deps, person: z.infer<typeof personSchema>): Promise<string> {
  return inTransaction(ctx, async (tx) => {
    const { id: userId } = await ensureUser(tx, { ...person, model: defaultAt(ctx.clock.now()) })
    const { telegramUserId, whatsappAddress } = person
    // Telegram last: what we say first goes to the newest binding.
    const nowMs = Date.now()
    await bind(tx, {
      userId,
      channel: 'WHATSAPP',
      address: whatsappAddress,
      phoneE164: whatsappAddress.replace('whatsapp:', ''),
      boundAt: new Date(nowMs - 1),
    })
    await bind(tx, {
      userId,
      channel: 'TELEGRAM',
      address: String(telegramUserId),
      telegramChatId: BigInt(telegramUserId),
      boundAt: new Date(nowMs),
    })
    if ((await tx.subscription.count({ where: { userId, status: 'ACTIVE' } })) === 0) {
      await tx.subscription.create({ data: { userId, status: 'ACTIVE' } })
    }
    await grantCredit({
      tx,
      userId,
      amountMicros: seedCreditMicros,
      reason: 'grant',
      reference: 'development',
    })
    return userId
  })
}

async function bind(tx: Transaction, data: Prisma.UserPhoneUncheckedCreateInput): Promise<void> {
  const { userId, channel, address } = data
  const taken = { channel, unboundAt: null, OR: [{ userId }, { address }] }
  if ((await tx.userPhone.count({ where: taken })) > 0) return
  await tx.userPhone.create({ data })
}
