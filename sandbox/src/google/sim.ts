import { Hono } from 'hono'
import { z } from 'zod'
import type { Env } from '../faults.ts'
import { read } from '../sim/input.ts'
import { accountInput } from './accounts.ts'
import { eventInput } from './apis/calendar.ts'
import { fileInput } from './apis/drive.ts'
import { mailInput } from './apis/gmail.ts'
import type { Provider } from './provider.ts'

const rotateInput = z.object({ dropOld: z.boolean().default(false) })

const tokensInput = z.object({
  /** Every access token is over. */
  expireAccess: z.boolean().optional(),
  /** From now on a refresh gives a new refresh token, and ends the old one. */
  rotateRefresh: z.boolean().optional(),
  /** Whose consent is withdrawn: an e-mail address. */
  withdraw: z.string().optional(),
})

/** What happens at Google without us, below `/sim/google`. */
export function googleSim(provider: Provider): Hono<Env> {
  const app = new Hono<Env>()
  app.get('/users', (c) => c.json(provider.accounts.all()))
  app.post('/users', async (c) => c.json(provider.accounts.add(await read(c, accountInput))))
  app.post('/rotate-keys', async (c) => {
    const { dropOld } = await read(c, rotateInput)
    return c.json({ kid: await provider.keys.rotate(dropOld) })
  })
  app.post('/tokens', async (c) => {
    const { expireAccess, rotateRefresh, withdraw } = await read(c, tokensInput)
    if (expireAccess) provider.grants.expireAccess()
    if (rotateRefresh !== undefined) provider.grants.rotates = rotateRefresh
    if (withdraw !== undefined) provider.grants.withdraw(withdraw)
    return c.json({ ok: true })
  })

  // What an account keeps, and what others put there.
  app.get('/accounts/:email', (c) => {
    const email = c.req.param('email')
    return c.json({
      events: provider.calendars.of(email),
      ...provider.mailboxes.of(email),
      files: provider.drives.of(email),
    })
  })
  app.post('/accounts/:email/events', async (c) =>
    c.json(provider.calendars.add(c.req.param('email'), await read(c, eventInput))),
  )
  app.post('/accounts/:email/events/:id', async (c) => {
    const change = await read(c, eventInput.partial())
    return c.json(provider.calendars.change(c.req.param('email'), c.req.param('id'), change))
  })
  app.post('/accounts/:email/mails', async (c) =>
    c.json(provider.mailboxes.receive(c.req.param('email'), await read(c, mailInput))),
  )
  app.post('/accounts/:email/files', async (c) =>
    c.json(provider.drives.add(c.req.param('email'), await read(c, fileInput), false)),
  )
  return app
}
