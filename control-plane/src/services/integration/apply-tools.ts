import type { Transaction } from '@yourclaw/db'
import { nudge } from '../../context.ts'
import { lockAssistant } from '../assistant/lock-assistant.ts'
import { recordChange } from '../assistant/record-change.ts'

/** Tells the person's host which tools there are now; without an assistant there is nobody to tell. */
export async function applyTools(tx: Transaction, userId: string): Promise<void> {
  const assistant = await lockAssistant(tx, userId)
  nudge(tx, 'user', userId)
  if (assistant.desired !== 'ABSENT') await recordChange(tx, assistant, 'TOOLS')
}
