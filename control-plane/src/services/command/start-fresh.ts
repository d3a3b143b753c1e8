import { texts } from '../conversation/texts.ts'
import type { Command } from './commands.ts'

/**
 * The next turn begins another conversation of the assistant. One that runs stays in its own, whatever happens to it: it
 * took its number when it was claimed (M15).
 */
export const startFresh: NonNullable<Command['act']> = async (tx, _ctx, { owner }) => {
  await tx.$executeRaw`
    UPDATE assistants SET conversation = conversation + 1, conversation_since = last_seq WHERE id = ${owner.id}::uuid`
  return texts.freshConversation
}
