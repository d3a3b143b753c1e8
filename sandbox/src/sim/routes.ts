import { Hono } from 'hono'
import { z } from 'zod'
import { type Env, type Faults, faultInput } from '../faults.ts'
import type { Provider } from '../google/provider.ts'
import { googleSim } from '../google/sim.ts'
import { type Brain, scriptInput } from '../models/brain.ts'
import { type People, personInput } from '../people.ts'
import type { Contacts } from '../resend/contacts.ts'
import type { Mailbox } from '../resend/mail.ts'
import { mailSim } from '../resend/sim.ts'
import type { Account as StripeAccount } from '../stripe/account.ts'
import { stripeSim } from '../stripe/sim.ts'
import type { Bot } from '../telegram/bot.ts'
import {
  buttonInput,
  editAsPerson,
  editInput,
  incomingInput,
  pressAsPerson,
  reactAsPerson,
  reactionInput,
  sendAsPerson,
  stopAsPerson,
  stopInput,
} from '../telegram/incoming.ts'
import type { Account } from '../twilio/account.ts'
import {
  pressInput,
  pressAsPerson as pressOnWhatsapp,
  sendAsPerson as sendOnWhatsapp,
  whatsappInput,
} from '../twilio/incoming.ts'
import { baseOf } from '../twilio/routes.ts'
import { BadInput, read } from './input.ts'

export interface World {
  people: People
  bot: Bot
  twilio: Account
  google: Provider
  stripe: StripeAccount
  mailbox: Mailbox
  contacts: Contacts
  brain: Brain
  faults: Faults
}

const transcriptInput = z.object({ text: z.string() })
const redirectInput = z.object({ url: z.url().optional() })
const clockInput = z.object({ advanceSeconds: z.number().positive() })

/** The API through which programs and the page move the outside world. */
export function simRoutes({
  people,
  bot,
  twilio,
  google,
  stripe,
  mailbox,
  contacts,
  brain,
  faults,
}: World): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/people', (c) => c.json(people.all))
  app.post('/people', async (c) => c.json(people.register(await read(c, personInput))))

  app.post('/telegram/:id{-?\\d+}/messages', async (c) =>
    c.json(sendAsPerson(bot, Number(c.req.param('id')), await read(c, incomingInput))),
  )
  app.post('/telegram/:id{\\d+}/edits', async (c) =>
    c.json(editAsPerson(bot, Number(c.req.param('id')), await read(c, editInput))),
  )
  app.post('/telegram/:id{\\d+}/reactions', async (c) =>
    c.json(reactAsPerson(bot, Number(c.req.param('id')), await read(c, reactionInput))),
  )
  app.post('/telegram/:id{\\d+}/buttons', async (c) =>
    c.json(pressAsPerson(bot, Number(c.req.param('id')), await read(c, buttonInput))),
  )
  app.post('/telegram/:id{\\d+}/stops', async (c) =>
    c.json(stopAsPerson(bot, Number(c.req.param('id')), await read(c, stopInput))),
  )
  app.get('/telegram/:id{-?\\d+}/messages', (c) => c.json(bot.chats.botEvents(Number(c.req.param('id')))))
  // Both sides of the conversation, with delivery: what the page shows.
  app.get('/telegram/:id{-?\\d+}/conversation', (c) => {
    const id = Number(c.req.param('id'))
    return c.json({ bot: bot.chats.botEvents(id), person: bot.chats.personEvents(id) })
  })

  // Matched before it is decoded, so %3A and : both begin an address.
  app.post('/whatsapp/:address{whatsapp.+}/messages', async (c) =>
    c.json(await sendOnWhatsapp(twilio, c.req.param('address'), await read(c, whatsappInput), baseOf(c))),
  )
  app.post('/whatsapp/:address{whatsapp.+}/buttons', async (c) =>
    c.json(await pressOnWhatsapp(twilio, c.req.param('address'), await read(c, pressInput), baseOf(c))),
  )
  app.get('/whatsapp/:address{whatsapp.+}/messages', (c) =>
    c.json(twilio.chats.business(c.req.param('address'))),
  )
  app.get('/whatsapp/:address{whatsapp.+}/conversation', (c) => {
    const address = c.req.param('address')
    const { contacts, chats } = twilio
    return c.json({
      business: chats.business(address),
      person: chats.person(address),
      windowOpen: contacts.isWindowOpen(address),
      optedOut: contacts.isOptedOut(address),
    })
  })
  app.post('/whatsapp/media-redirect', async (c) => {
    twilio.mediaRedirect = (await read(c, redirectInput)).url
    return c.json({})
  })
  // What was sent with a message of either side, for the page: Twilio's own address asks for the account.
  app.get('/whatsapp/media/:message/:media', (c) => {
    const message = twilio.messages.get(c.req.param('message'))
    const media = message?.media.find(({ sid }) => sid === c.req.param('media'))
    if (!media) return c.json({ detail: 'There is no such file.', code: 'not_found' }, 404)
    return new Response(new Uint8Array(media.bytes), { headers: { 'content-type': media.contentType } })
  })
  // WhatsApp's own clock: a day later every 24-hour window is closed.
  app.post('/whatsapp/clock', async (c) => {
    twilio.contacts.advance((await read(c, clockInput)).advanceSeconds)
    return c.json({ at: new Date(twilio.contacts.nowMs()).toISOString() })
  })
  app.route('/google', googleSim(google))
  app.route('/mail', mailSim(mailbox, contacts))
  app.route('/stripe', stripeSim(stripe))

  // What every recording says from now on.
  app.post('/models/transcript', async (c) => {
    brain.heard = (await read(c, transcriptInput)).text
    return c.json({ ok: true })
  })
  app.post('/models/script', async (c) => {
    brain.script(await read(c, scriptInput))
    return c.json({ ok: true })
  })
  app.get('/models/requests', (c) => c.json(brain.requests))

  app.post('/faults', async (c) => {
    faults.add(await read(c, faultInput))
    return c.json({ ok: true })
  })

  app.post('/reset', (c) => {
    bot.clear()
    twilio.clear()
    google.clear()
    stripe.deliveries.clear()
    mailbox.clear()
    brain.clear()
    faults.clear()
    return c.json({ ok: true })
  })

  app.onError((error, c) => {
    if (!(error instanceof BadInput)) throw error
    return c.json({ detail: error.message, code: 'invalid_input' }, 400)
  })
  // A mounted application's notFound is never asked.
  app.all('*', (c) => c.json({ detail: 'Not found.', code: 'not_found' }, 404))
  return app
}
