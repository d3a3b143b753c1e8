import { z } from 'zod'
import type { Keepable } from './kept.ts'

/** A phone user. `userId` and `bearer` are null until someone who knows the control plane registers them. */
export interface Person {
  name: string
  email: string
  userId: string | null
  telegramUserId: number
  whatsappAddress: string
  bearer: string | null
  /** The development's seed gives them an account, an assistant and connected chats. */
  seeded: boolean
}

export const personInput = z.object({
  name: z.string().min(1).optional(),
  email: z.email().optional(),
  userId: z.string().nullable().optional(),
  telegramUserId: z.int().positive().optional(),
  whatsappAddress: z.string().startsWith('whatsapp:').optional(),
  bearer: z.string().nullable().optional(),
  seeded: z.boolean().optional(),
})
export type PersonInput = z.infer<typeof personInput>

/** The people who own phones here. Two are always there, so that a test needs no set-up. */
export class People implements Keepable {
  readonly all: Person[] = [
    { ...newcomer('Ada', 1), seeded: true },
    { ...newcomer('Ben', 2), seeded: true },
  ]

  save(): Person[] {
    return this.all
  }

  load(saved: Person[]): void {
    this.all.splice(0, this.all.length, ...saved)
  }

  byTelegram(telegramUserId: number): Person | undefined {
    return this.all.find((person) => person.telegramUserId === telegramUserId)
  }

  byWhatsapp(address: string): Person | undefined {
    return this.all.find((person) => person.whatsappAddress === address)
  }

  /** Updates the person with that e-mail address or Telegram id; adds one when there is none. */
  register(input: PersonInput): Person {
    let person = this.all.find(
      (known) => known.email === input.email || known.telegramUserId === input.telegramUserId,
    )
    if (!person) {
      const number = this.all.length + 1
      person = newcomer(input.name ?? `Person ${number}`, number)
      while (this.byTelegram(person.telegramUserId)) person.telegramUserId += 1
      for (let next = number; this.byWhatsapp(person.whatsappAddress); next += 1) {
        person.whatsappAddress = numbered(next)
      }
      this.all.push(person)
    }
    const given = Object.entries(input).filter(([, value]) => value !== undefined)
    return Object.assign(person, Object.fromEntries(given))
  }
}

const numbered = (number: number) => `whatsapp:+1555${String(number).padStart(4, '0')}`

function newcomer(name: string, number: number): Person {
  return {
    name,
    email: `${name.toLowerCase().replace(/\W+/g, '.')}@example.com`,
    userId: null,
    telegramUserId: 1000 + number,
    whatsappAddress: numbered(number),
    bearer: null,
    seeded: false,
  }
}
