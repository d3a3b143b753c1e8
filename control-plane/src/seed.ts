import { z } from 'zod'
import { inTransaction } from './context.ts'
import type { Deps } from './deps.ts'
import { ensureUser } from './services/account/ensure-user.ts'
import { createAssistant } from './services/assistant/create-assistant.ts'

const personSchema = z.object({ name: z.string(), email: z.email(), telegramUserId: z.number().int() })
const bearerTtlSeconds = 30 * 86_400

/**
 * Development only: gives the sandbox's phone users an account, a subscription, a bound Telegram chat and an
 * assistant, so that the phone works at once. Safe to repeat.
 */
export async function seedDevelopment(deps: Deps, sandboxUrl: string): Promise<void> {
  const answer = await fetch(`${sandboxUrl}/sim/people`)
  const people = z.array(personSchema).parse(await answer.json())
  for (const person of people) {
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

async function seedPerson({ ctx }: Deps, person: z.infer<typeof personSchema>): Promise<string> {
  return inTransaction(ctx, async (tx) => {
    const { id: userId } = await ensureUser(tx, person)
    const address = String(person.telegramUserId)
    const binding = { channel: 'TELEGRAM', unboundAt: null } as const
    if ((await tx.userPhone.count({ where: { ...binding, OR: [{ userId }, { address }] } })) === 0) {
      await tx.userPhone.create({
        data: { ...binding, userId, address, telegramChatId: BigInt(person.telegramUserId) },
      })
    }
    if ((await tx.subscription.count({ where: { userId, status: 'ACTIVE' } })) === 0) {
      await tx.subscription.create({ data: { userId, status: 'ACTIVE' } })
    }
    return userId
  })
}
