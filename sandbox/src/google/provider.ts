import type { People } from '../people.ts'
import { Accounts } from './accounts.ts'
import { Calendars } from './apis/calendar.ts'
import { Drives } from './apis/drive.ts'
import { Mailboxes } from './apis/gmail.ts'
import { Grants } from './grants.ts'
import { Keys } from './keys.ts'

/** Google as one OpenID provider with one registered client, and what its accounts keep there. */
export class Provider {
  readonly accounts: Accounts
  readonly keys = new Keys()
  readonly grants = new Grants()
  readonly calendars = new Calendars()
  readonly mailboxes = new Mailboxes()
  readonly drives = new Drives()
  readonly clientId: string
  readonly clientSecret: string

  constructor(people: People, client: { id: string; secret: string }) {
    this.accounts = new Accounts(people)
    this.clientId = client.id
    this.clientSecret = client.secret
  }

  /** Empties what accounts keep; accounts, keys and grants stay. */
  clear(): void {
    this.calendars.clear()
    this.mailboxes.clear()
    this.drives.clear()
  }
}
