import type { Transaction } from '@yourclaw/db'
import { lockAssistant } from '../assistant/lock-assistant.ts'
import { recordChange } from '../assistant/record-change.ts'

/** Tells the person's host about the keys as they are now; without an assistant there is nobody to tell. */
export async function applyKeys(tx: Transaction, userId: string): Promise<void> {
  const assistant = await lockAssistant(tx, userId)
  if (assistant.desired !== 'ABSENT') await recordChange(tx, assistant, 'KEYS')
}
