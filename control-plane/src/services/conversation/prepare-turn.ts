import { type HandedFile, type TakeDeps, takeFiles } from '../attachment/take-files.ts'

/**
 * Makes everything ready that a turn is to be told beside the words of its messages: their files, and what the person
 * reacted to since the last one. `readTurnInput` then tells it. Safe to repeat. Returns what the assistant is handed.
 */
export async function prepareTurn({
  input,
  ...deps
}: TakeDeps & { input: { turnId: string; signal: AbortSignal } }): Promise<HandedFile[]> {
  const { turnId } = input
  await deps.ctx.db.$executeRaw`
    UPDATE reactions r SET turn_id = t.id FROM turns t JOIN assistants a ON a.id = t.assistant_id
    WHERE t.id = ${turnId}::uuid AND t.state = 'RUNNING' AND r.user_id = a.user_id AND r.turn_id IS NULL`
  return takeFiles({ ...deps, input })
}
