import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Env } from '../faults.ts'
import { ResendError } from './errors.ts'

const contactInput = z.object({
  email: z.email(),
  first_name: z.string().nullish(),
  last_name: z.string().nullish(),
  unsubscribed: z.boolean().optional(),
})

export interface Contact {
  id: string
  email: string
  first_name: string | null
  last_name: string | null
  unsubscribed: boolean
  created_at: string
}

/** Who agreed to hear of news (https://resend.com/docs/api-reference/contacts), by address. */
export class Contacts {
  readonly #byEmail = new Map<string, Contact>()

  all(): Contact[] {
    return [...this.#byEmail.values()]
  }

  clear(): void {
    this.#byEmail.clear()
  }

  find(idOrEmail: string): Contact {
    const found = this.all().find(({ id, email }) => id === idOrEmail || email === idOrEmail.toLowerCase())
    if (!found) throw new ResendError('not_found', 'Contact not found')
    return found
  }

  put(input: z.infer<typeof contactInput>): Contact {
    const email = input.email.toLowerCase()
    const known = this.#byEmail.get(email)
    const contact: Contact = {
      id: known?.id ?? crypto.randomUUID(),
      email,
      first_name: input.first_name ?? known?.first_name ?? null,
      last_name: input.last_name ?? known?.last_name ?? null,
      unsubscribed: input.unsubscribed ?? known?.unsubscribed ?? false,
      created_at: known?.created_at ?? new Date().toISOString(),
    }
    this.#byEmail.set(email, contact)
    return contact
  }

  remove(idOrEmail: string): Contact {
    const contact = this.find(idOrEmail)
    this.#byEmail.delete(contact.email)
    return contact
  }
}

export function contactRoutes(contacts: Contacts): Hono<Env> {
  const app = new Hono<Env>()
  app.get('/', (c) => c.json({ object: 'list', has_more: false, data: contacts.all() }))
  app.post('/', async (c) => {
    const { id } = contacts.put(await read(c, contactInput))
    return c.json({ object: 'contact', id }, 201)
  })
  app.get('/:id', (c) => c.json({ object: 'contact', ...contacts.find(c.req.param('id')) }))
  app.patch('/:id', async (c) => {
    const { email, id } = contacts.find(c.req.param('id'))
    contacts.put({ ...(await read(c, contactInput.omit({ email: true }))), email })
    return c.json({ object: 'contact', id })
  })
  app.delete('/:id', (c) => {
    const { id } = contacts.remove(c.req.param('id'))
    return c.json({ object: 'contact', contact: id, deleted: true })
  })
  return app
}

async function read<T>(c: Context<Env>, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(await c.req.json().catch(() => undefined))
  if (parsed.success) return parsed.data
  throw new ResendError('validation_error', `Invalid \`${parsed.error.issues[0]?.path.join('.')}\` field.`)
}
