import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { type Env, Faults } from './faults.ts'
import { anthropicRoutes } from './models/anthropic.ts'
import { Brain } from './models/brain.ts'
import { geminiRoutes } from './models/gemini.ts'
import { openaiRoutes } from './models/openai.ts'
import { People } from './people.ts'
import { phoneRoutes } from './phone/routes.ts'
import { simRoutes } from './sim/routes.ts'
import { Bot } from './telegram/bot.ts'
import type { BotEvent } from './telegram/chats.ts'
import { telegramRoutes } from './telegram/routes.ts'
import { Account } from './twilio/account.ts'
import { twilioRoutes } from './twilio/routes.ts'

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
}

/** The one account of a sandbox that is told nothing else. */
export const twilioDefaults = {
  accountSid: 'ACdec0de00000000000000000000000000',
  authToken: 'development-twilio-token',
  whatsappNumber: '+15550100',
}

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

  const app = new Hono<Env>()
  app.route('/', phoneRoutes())
  app.get('/health', (c) => c.json({ status: 'ok' }))
  app.route('/telegram', telegramRoutes(bot, faults))
  app.route('/twilio', twilioRoutes(twilio))
  app.route('/anthropic', anthropicRoutes(brain, faults))
  app.route('/openai', openaiRoutes(brain, faults))
  app.route('/gemini', geminiRoutes(brain, faults))
  app.route('/sim', simRoutes({ people, bot, twilio, brain, faults }))

  const server = await listen(app, port, host)
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    stop: async () => {
      bot.webhook.stop()
      twilio.stop()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
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
