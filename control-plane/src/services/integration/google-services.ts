const scope = (name: string) => `https://www.googleapis.com/auth/${name}`

/** The scopes that tools ask for; the least that do the job (https://developers.google.com/identity/protocols/oauth2/scopes). */
export const scopes = {
  calendarEvents: scope('calendar.events'),
  gmailRead: scope('gmail.readonly'),
  gmailCompose: scope('gmail.compose'),
  driveRead: scope('drive.readonly'),
  driveFile: scope('drive.file'),
} as const

export const serviceNames = ['calendar', 'gmail', 'drive'] as const
export type GoogleService = (typeof serviceNames)[number]

/** What can be connected, each by itself. */
export const googleServices: Record<GoogleService, { name: string; scopes: readonly string[] }> = {
  calendar: { name: 'Google Calendar', scopes: [scopes.calendarEvents] },
  gmail: { name: 'Gmail', scopes: [scopes.gmailRead, scopes.gmailCompose] },
  drive: { name: 'Google Drive', scopes: [scopes.driveRead, scopes.driveFile] },
}
