/** Google's services, as people know them. */
export const serviceNames = { calendar: 'Google Calendar', gmail: 'Gmail', drive: 'Google Drive' } as const
export type Service = keyof typeof serviceNames

/** What the assistant can do with each; what it may only do after asking is said apart. */
export const abilities: Record<Service, { looks: string; acts: string }> = {
  calendar: { looks: 'See and search your events', acts: 'Add, change and delete events' },
  gmail: { looks: 'Search and read your mail', acts: 'Write drafts and send mail' },
  drive: { looks: 'Find and read your files', acts: 'Make files, and share those it made' },
}

const refusals: Record<string, string> = {
  consent_denied: 'You did not agree at Google, so nothing was connected.',
  consent_incomplete:
    'You allowed nothing of it, so nothing was connected. Connect again and tick the boxes on Google’s page.',
  sign_in_expired: 'That took too long, or began in another browser. Please start again.',
  not_entitled: 'That needs an active subscription or trial.',
  disconnecting:
    'Google has not confirmed yet that the old connection is gone. Please try again in a minute.',
  google_unavailable: 'Google does not answer right now. Please try again soon.',
}

/** Why a connection came to nothing, by the API's code. */
export const wordsFor = (code: string): string => refusals[code] ?? 'That did not work. Please start again.'
