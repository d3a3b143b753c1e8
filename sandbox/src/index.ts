import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { type Env, Faults } from './faults.ts'
import { Provider } from './google/provider.ts'
import { googleRoutes } from './google/routes.ts'
import { keepIn } from './kept.ts'
import { anthropicRoutes } from './models/anthropic.ts'
import { Brain } from './models/brain.ts'
import { geminiRoutes } from './models/gemini.ts'
import { openaiRoutes } from './models/openai.ts'
import { People } from './people.ts'
import { phoneRoutes } from './phone/routes.ts'
import { Contacts } from './resend/contacts.ts'
import { Mailbox } from './resend/mail.ts'
import { resendRoutes } from './resend/routes.ts'
import { s3Routes } from './s3/routes.ts'
import { simRoutes } from './sim/routes.ts'
import { Account as StripeAccount } from './stripe/account.ts'
import { stripeApi } from './stripe/api/api.ts'
import { stripePages } from './stripe/pages/pages.ts'
import { seedPrice } from './stripe/seed.ts'
import { Bot } from './telegram/bot.ts'
import type { BotEvent } from './telegram/chats.ts'
import { telegramRoutes } from './telegram/routes.ts'
import { Account } from './twilio/account.ts'
import { twilioRoutes } from './twilio/routes.ts'
import { braveRoutes, searxngRoutes } from './web-search.ts'

export interface SandboxOptions {
  /** 0 takes any free port. */
  port: number
  host?: string
  telegramBotUsername?: string
  /** Hears what the bot does in a person's chat at the moment it does it, which polling cannot tell to the millisecond. */
  onBotEvent?: (telegramUserId: number, event: BotEvent) => void
  /** What callers sign in with and webhooks are signed with; the control plane's development defaults when absent. */
  twilioAccountSid?: string
  twilioAuthToken?: string
  /** With its country code: +15550100. */
  twilioWhatsappNumber?: string
  /** The one client that may sign people in with Google. */
  googleClientId?: string
  googleClientSecret?: string
  /** The id of the one price that is there from the start: $20 a month. */
  stripePriceId?: string
  /** Where what people, payments and conversations are is kept; without it all is forgotten at the end. */
  stateFile?: string
}

/** The one account of a sandbox that is told nothing else. */
export const twilioDefaults = {
  accountSid: 'ACdec0de00000000000000000000000000',
  authToken: 'development-twilio-token',
  whatsappNumber: '+15550100',
}

/** What a sandbox that is told nothing else has. */
export const googleDefaults = {
  clientId: 'development.apps.googleusercontent.com',
  clientSecret: 'development-google-secret',
}
export const stripeDefaults = { priceId: 'price_sandboxMonthly' }

export interface Sandbox {
  /** Without a slash at the end. */
  url: string
  stop(): Promise<void>
}

/** Starts the outside world on one port. Each call is a world of its own. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { port, host = '127.0.0.1', telegramBotUsername = 'yourclaw_bot' } = options
  const people = new People()
  const faults = new Faults()
  const brain = new Brain()
  const bot = new Bot(people, telegramBotUsername, options.onBotEvent)
  const twilio = new Account(people, faults, {
    accountSid: options.twilioAccountSid ?? twilioDefaults.accountSid,
    authToken: options.twilioAuthToken ?? twilioDefaults.authToken,
    sender: `whatsapp:${options.twilioWhatsappNumber ?? twilioDefaults.whatsappNumber}`,
  })
  const google = new Provider(people, {
    id: options.googleClientId ?? googleDefaults.clientId,
    secret: options.googleClientSecret ?? googleDefaults.clientSecret,
  })
  const mailbox = new Mailbox()
  const contacts = new Contacts()
  const stripe = new StripeAccount()
  const parts = {
    people,
    stripe,
    mailbox,
    telegramChats: bot.chats,
    telegramFiles: bot.files,
    twilioSender: twilio,
    twilioContacts: twilio.contacts,
    twilioContents: twilio.contents,
    twilioChats: twilio.chats,
    twilioMessages: twilio.messages,
    googleAccounts: google.accounts,
    googleGrants: google.grants,
  }
  const kept = options.stateFile === undefined ? undefined : keepIn(options.stateFile, parts)
  const priceId = options.stripePriceId ?? stripeDefaults.priceId
  if (!stripe.objects.find(priceId)) seedPrice(stripe, priceId)

  const app = new Hono<Env>()
  app.route('/', phoneRoutes())
  app.get('/health', (c) => c.json({ status: 'ok' }))
  app.route('/telegram', telegramRoutes(bot, faults))
  app.route('/twilio', twilioRoutes(twilio))
  app.route('/anthropic', anthropicRoutes(brain, faults))
  app.route('/openai', openaiRoutes(brain, faults))
  app.route('/gemini', geminiRoutes(brain, faults))
  app.route('/brave', braveRoutes())
  app.route('/searxng', searxngRoutes())
  app.route('/google', googleRoutes(google, faults))
  app.route('/resend', resendRoutes(mailbox, contacts, faults))
  app.route('/s3', s3Routes(faults))
  app.route('/stripe', stripeApi(stripe, faults))
  app.route('/stripe', stripePages(stripe))
  // The SDK and Stripe's command line take a host, no path.
  app.route('/', stripeApi(stripe, faults))
  app.route('/sim', simRoutes({ people, bot, twilio, google, stripe, mailbox, contacts, brain, faults }))

  const server = await listen(app, port, host)
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    stop: async () => {
      bot.webhook.stop()
      twilio.stop()
      stripe.deliveries.stop()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      kept?.stop()
    },
  }
}

/** @throws when the port is taken */
function listen(app: Hono<Env>, port: number, hostname: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, port, hostname }, () => resolve(server)) as Server
    server.once('error', reject)
  })
}
