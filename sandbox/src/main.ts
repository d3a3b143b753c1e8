import { z } from 'zod'
import { googleDefaults, startSandbox, stripeDefaults, twilioDefaults } from './index.ts'

const env = z
  .object({
    /** The one port of every provider. */
    PORT: z.coerce.number().int().min(0).default(4100),
    /** What getMe answers. */
    TELEGRAM_BOT_USERNAME: z.string().min(1).default('yourclaw_bot'),
    /** The account that callers sign in to, whose token signs webhooks, and its one WhatsApp sender. */
    TWILIO_ACCOUNT_SID: z.string().startsWith('AC').default(twilioDefaults.accountSid),
    TWILIO_AUTH_TOKEN: z.string().min(1).default(twilioDefaults.authToken),
    TWILIO_WHATSAPP_NUMBER: z
      .string()
      .transform((number) => number.replace(/^whatsapp:/, ''))
      .default(twilioDefaults.whatsappNumber),
    /** The client that may sign people in with Google. */
    GOOGLE_CLIENT_ID: z.string().min(1).default(googleDefaults.clientId),
    GOOGLE_CLIENT_SECRET: z.string().min(1).default(googleDefaults.clientSecret),
    /** The price that is there from the start. */
    STRIPE_PRICE_ID: z.string().min(1).default(stripeDefaults.priceId),
    /** Where what is here outlives a restart; without it all is forgotten. */
    SANDBOX_STATE_FILE: z.string().min(1).optional(),
  })
  .parse(process.env)

const sandbox = await startSandbox({
  port: env.PORT,
  telegramBotUsername: env.TELEGRAM_BOT_USERNAME,
  twilioAccountSid: env.TWILIO_ACCOUNT_SID,
  twilioAuthToken: env.TWILIO_AUTH_TOKEN,
  twilioWhatsappNumber: env.TWILIO_WHATSAPP_NUMBER,
  googleClientId: env.GOOGLE_CLIENT_ID,
  googleClientSecret: env.GOOGLE_CLIENT_SECRET,
  stripePriceId: env.STRIPE_PRICE_ID,
  ...(env.SANDBOX_STATE_FILE !== undefined && { stateFile: env.SANDBOX_STATE_FILE }),
})
console.log(`sandbox listens on ${sandbox.url}`)

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void sandbox.stop().then(() => process.exit(0)))
}
