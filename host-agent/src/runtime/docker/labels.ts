const key = {
  assistantId: 'yourclaw.assistant-id',
  generation: 'yourclaw.generation',
  specHash: 'yourclaw.spec-hash',
  /** Two agents on one engine, as in development, keep their data apart; by this each knows its own. */
  dataDir: 'yourclaw.data-dir',
}
type Carried = Record<string, string> | undefined | null

/** How containers and networks are known as ours, in whichever agent's life they were made. */
export function createLabels(dataDir: string) {
  return {
    of: (assistantId: string) => ({ [key.assistantId]: assistantId, [key.dataDir]: dataDir }),
    ofContainer: (assistantId: string, generation: number, specHash: string) => ({
      [key.assistantId]: assistantId,
      [key.dataDir]: dataDir,
      [key.generation]: String(generation),
      [key.specHash]: specHash,
    }),
    areOurs: (carried: Carried) => carried?.[key.dataDir] === dataDir,
    assistantId: (carried: Carried) => carried?.[key.assistantId],
    specHash: (carried: Carried) => carried?.[key.specHash],
    /** For Docker's lists: all of ours, or those of one assistant. */
    filter: (assistantId?: string) => ({
      label: [
        `${key.dataDir}=${dataDir}`,
        assistantId === undefined ? key.assistantId : `${key.assistantId}=${assistantId}`,
      ],
    }),
  }
}

export type Labels = ReturnType<typeof createLabels>
