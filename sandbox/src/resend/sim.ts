import { Hono } from 'hono'
import type { Env } from '../faults.ts'
import type { Contacts } from './contacts.ts'
import { sentTo } from './inbox.ts'
import type { Mailbox } from './mail.ts'

/** All mail, oldest first, or one person's with `?to=`; and who is on the audience list. */
export function mailSim(mailbox: Mailbox, contacts: Contacts): Hono<Env> {
  const app = new Hono<Env>()
  app.get('/', (c) => c.json(sentTo(mailbox.all, c.req.query('to'))))
  app.get('/contacts', (c) => c.json(contacts.all()))
  return app
}
