import type { Transaction } from '@yourclaw/db'
import { defaultModel } from '../model/catalogue.ts'

interface NewUser {
  email: string
  name: string
  id?: string
  /** What their assistant will think with unless they choose; absent = the default as long as it is served. */
  model?: string
}

/** Finds the user with this address or creates one, with the assistant row (status NONE) that everyone has. */
export async function ensureUser(tx: Transaction, input: NewUser) {
  const email = input.email.trim().toLowerCase()
  return tx.user.upsert({
    where: { email },
    update: {},
    create: {
      ...(input.id === undefined ? {} : { id: input.id }),
      email,
      name: input.name,
      assistant: { create: { model: input.model ?? defaultModel } },
    },
  })
}
