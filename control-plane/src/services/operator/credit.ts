import { type Ctx, inTransaction } from '../../context.ts'
import { invalidInput } from '../../errors.ts'
import { grantCredit } from '../credit/grant-credit.ts'
import { findUser } from './find-user.ts'

/** A slip of the hand should not cost a fortune. */
const mostMicros = 1_000_000_000n

export interface CreditInput {
  /** Id or e-mail address. */
  user: string
  /** Micro-dollars; negative takes credit away. At most 1000 dollars either way. */
  amountMicros: bigint
  /** What it is about, a ticket for one: the same one is credited once. The user sees it. */
  reference: string
  /** For the audit. */
  reason: string
  /** "operator:<email>" */
  actor: string
}

/** Writes an operator's entry into a person's ledger. `isNew` is false when there was one. Errors: unknown_user, invalid_amount. */
export function credit({ ctx, input }: { ctx: Ctx; input: CreditInput }): Promise<{ isNew: boolean }> {
  const { amountMicros, reference, reason, actor } = input
  const size = amountMicros < 0n ? -amountMicros : amountMicros
  if (size === 0n || size > mostMicros)
    throw invalidInput('An amount is up to 1000 dollars.', 'invalid_amount')
  return inTransaction(ctx, async (tx) => {
    const { id: userId } = await findUser(tx, input.user)
    const entry = { userId, amountMicros, reference: `operator:${reference}` }
    const granted = await grantCredit({ tx, ...entry, reason: amountMicros > 0n ? 'grant' : 'correction' })
    if (granted.isNew) {
      const data = { reason, reference, amountMicros: Number(amountMicros) }
      await tx.auditEvent.create({
        data: { actor, action: 'user.credited', subject: `user:${userId}`, data },
      })
    }
    return granted
  })
}
