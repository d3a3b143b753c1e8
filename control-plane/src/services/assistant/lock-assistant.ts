import type { Transaction } from '@yourclaw/db'
import { notFound } from '../../errors.ts'

/** Reads an owner's assistant under its row lock, so that changes to it happen one after the other. */
export async function lockAssistant(tx: Transaction, userId: string) {
  await tx.$queryRaw`SELECT 1 FROM assistants WHERE user_id = ${userId}::uuid FOR NO KEY UPDATE`
  const assistant = await tx.assistant.findUnique({ where: { userId } })
  if (!assistant) throw notFound('There is no assistant.', 'no_assistant')
  return assistant
}
