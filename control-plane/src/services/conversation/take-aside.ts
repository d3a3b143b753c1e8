import type { Transaction } from '@yourclaw/db'
import { inTransaction } from '../../context.ts'
import { ServiceError } from '../../errors.ts'
import type { ConversationCtx } from './ctx.ts'
import { type ReceiveInput, storeAside } from './receive-message.ts'
import { type AssistantRow, lockOwner } from './rows.ts'
import { sendNoticeIn } from './send-notice.ts'

export interface Aside {
  /** Of the stored message and of what is said to it. */
  code: string
  /** Whether the message is that at all; absent = it is. */
  isMeant?: (tx: Transaction, owner: AssistantRow) => Promise<boolean>
  /** Does what it asks for, and returns what is said; undefined = nothing. A ServiceError undoes it and is said. */
  work: (tx: Transaction, owner: AssistantRow) => Promise<string | undefined>
  /** Whether there is room for words, a refusal's too; absent = there is. */
  maySay?: (tx: Transaction, owner: AssistantRow) => Promise<boolean>
}

/**
 * Takes a message that is meant for us and not for the assistant (M8): it is stored, acted on and answered in one
 * transaction, once (M2). False for a stranger, or when it is not meant for us: nothing was done.
 */
export async function takeAside(
  ctx: ConversationCtx,
  input: ReceiveInput,
  { code, isMeant, work, maySay }: Aside,
): Promise<boolean> {
  const to = { channel: input.channel, address: input.address }
  const take = (act: Aside['work']) =>
    inTransaction(ctx, async (tx) => {
      const owner = await lockOwner(tx, to)
      if (!owner || (await isMeant?.(tx, owner)) === false) return false
      if (!(await storeAside(tx, ctx, owner, input, code))) return true
      const text = await act(tx, owner)
      if (text === undefined || (await maySay?.(tx, owner)) === false) return true
      await sendNoticeIn(tx, ctx, { userId: owner.userId, to, code, text })
      return true
    })
  try {
    return await take(work)
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    return take(async () => error.detail)
  }
}
