/** The number under which a turn's preview is shown, whichever replica shows it; never 0. */
export const draftIdOf = (turnId: string) => Number.parseInt(turnId.replaceAll('-', '').slice(-7), 16) + 1
