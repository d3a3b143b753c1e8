import type { People } from '../people.ts'
import { Accounts } from './accounts.ts'
import { Grants } from './grants.ts'
import { Keys } from './keys.ts'

/** Google as one OpenID provider with one registered client. */
export class Provider {
  readonly accounts: Accounts
  readonly keys = new Keys()
  readonly grants = new Grants()
  readonly clientId: string
  readonly clientSecret: string

  constructor(people: People, client: { id: string; secret: string }) {
    this.accounts = new Accounts(people)
    this.clientId = client.id
    this.clientSecret = client.secret
  }
}
