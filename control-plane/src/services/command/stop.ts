import { stopTurnIn } from '../conversation/stop-turn.ts'
import { texts } from '../conversation/texts.ts'
import type { Command } from './commands.ts'

/** What is there of the answer follows from the host, and says that it was stopped. */
export const stop: NonNullable<Command['act']> = async (tx, ctx, { owner }) => {
  switch (await stopTurnIn(tx, ctx, owner)) {
    case 'running':
      return undefined
    case 'waiting':
      return texts.stopped
    case 'nothing':
      return texts.nothingToStop
  }
}
