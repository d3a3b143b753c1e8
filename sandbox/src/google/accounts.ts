import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Keepable, refill } from '../kept.ts'
import type { People } from '../people.ts'

export const accountInput = z.object({
  email: z.email(),
  name: z.string().min(1),
  emailVerified: z.boolean().default(true),
})
export type GoogleAccount = z.infer<typeof accountInput> & {
  /** Google's own id of the account, which outlives a change of its address. */
  sub: string
}

/** Who can sign in with Google: everybody who owns a phone here, and who was added. */
export class Accounts implements Keepable {
  readonly #people: People
  readonly #added = new Map<string, GoogleAccount>()

  constructor(people: People) {
    this.#people = people
  }

  save(): Map<string, GoogleAccount> {
    return this.#added
  }

  load(saved: Map<string, GoogleAccount>): void {
    refill(this.#added, saved)
  }

  all(): GoogleAccount[] {
    const people = this.#people.all.map(({ email, name }) => toAccount({ email, name, emailVerified: true }))
    const byEmail = new Map(people.map((account) => [account.email.toLowerCase(), account]))
    return [...new Map([...byEmail, ...this.#added]).values()]
  }

  find(email: string): GoogleAccount | undefined {
    return this.all().find((account) => account.email.toLowerCase() === email.toLowerCase())
  }

  /** Adds an account, or changes what the one with this address says of itself. */
  add(input: z.infer<typeof accountInput>): GoogleAccount {
    const account = toAccount(input)
    this.#added.set(account.email.toLowerCase(), account)
    return account
  }
}

/** The id follows from the address, so that it is the same after a restart. */
function toAccount(input: z.infer<typeof accountInput>): GoogleAccount {
  const digest = createHash('sha256').update(input.email.toLowerCase()).digest('hex')
  const digits = (BigInt(`0x${digest}`) % 10n ** 20n).toString().padStart(20, '0')
  return { ...input, sub: `1${digits}` }
}
