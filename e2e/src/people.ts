import { z } from 'zod'

const personSchema = z.object({
  userId: z.string(),
  email: z.string(),
  telegramUserId: z.number(),
  whatsappAddress: z.string(),
  bearer: z.string(),
})

/** A phone user of the sandbox who has an account, a bound chat and an assistant. */
export type Person = z.infer<typeof personSchema>

/** The answer of `GET /sim/people`, once everybody has an account. */
export const peopleSchema = z.array(personSchema)

/** GET, or POST with a JSON body; resolves with the JSON answered. */
export async function request(url: string, body?: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const init = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) }
  return (await fetch(url, init)).json()
}
