import { type Ctx, inTransaction } from '../../context.ts'
import { refreshAllowance } from './refresh-allowance.ts'

/** What the person allows to be spent on shared keys in a month of their own; null takes the cap away. */
export async function setCap({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string; monthlyMicros: number | null }
}): Promise<void> {
  const { userId, monthlyMicros } = input
  await inTransaction(ctx, async (tx) => {
    const monthlyCapMicros = monthlyMicros === null ? null : BigInt(monthlyMicros)
    await tx.user.update({ where: { id: userId }, data: { monthlyCapMicros } })
    await refreshAllowance(tx, userId)
  })
}
