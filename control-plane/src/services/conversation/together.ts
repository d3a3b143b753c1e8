import { createBatcher } from '../../lib/batcher.ts'
import type { ConversationCtx } from './ctx.ts'
import { finishTogether } from './finish-together.ts'
import type { FinishInput } from './finish-turn.ts'
import { createKnownOwners } from './known-owners.ts'
import type { ReceiveInput } from './receive-message.ts'
import { receiveTogether } from './receive-together.ts'

/**
 * The ordinary case of what every turn does, for many people in one transaction. Null = not ordinary, or the batch
 * failed: nothing was written, and the verb does it in a transaction of its own.
 */
export interface Together {
  receive(input: ReceiveInput): Promise<{ messageId: string } | null>
  finish(input: FinishInput): Promise<{ messageId: string } | null>
}

/** More hold their locks longer than they save. */
const maxItems = 100

export function createTogether(ctx: Omit<ConversationCtx, 'together'>): Together {
  const owners = createKnownOwners(ctx.pool)
  const alone = async () => null
  const failed = (err: unknown, count: number) =>
    ctx.log.warn({ err, count }, 'a batch failed: each of it goes alone')
  return {
    receive: createBatcher({
      together: (inputs: ReceiveInput[]) => receiveTogether({ ctx, owners, inputs }),
      alone,
      failed,
      keyOf: ({ channel, address }) => `${channel}:${address}`,
      maxItems,
    }),
    finish: createBatcher({
      together: (inputs: FinishInput[]) => finishTogether({ ctx, inputs }),
      alone,
      failed,
      keyOf: ({ turnId }) => turnId,
      maxItems,
    }),
  }
}
