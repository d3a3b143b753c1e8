import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { parseKeys } from './lib/vault.ts'
import { plan } from './plan.ts'

/** Development keys, good for nothing else: production refuses to start without its own. */
const developmentKeys = `dev:${Buffer.alloc(32, 'yourclaw-development').toString('base64')}`

const developmentStore = pathToFileURL(path.join(import.meta.dirname, '..', '..', '.data', 'store')).href
const storeUrl = z.url({ protocol: /^(file|s3)$/, error: 'must be file:///folder or s3://bucket/prefix' })

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback)
const count = (fallback: number) => z.coerce.number().int().min(1).max(1_000_000).default(fallback)
const contentSid = z.string().regex(/^HX[0-9a-fA-F]{32}$/, 'must be HX and 32 hexadecimal digits')
const keyRing = z.string().superRefine((value, issue) => {
  try {
    parseKeys(value)
  } catch (error) {
    issue.addIssue({
      code: 'custom',
      message: error instanceof Error ? error.message : 'is not a list of keys',
    })
  }
})

/** A setting that production must have and development has a default for. */
const secret = (production: boolean, fallback: string) =>
  production ? z.string().min(1, 'must be set in production') : z.string().min(1).default(fallback)

const channelNames = ['telegram', 'whatsapp', 'web'] as const
type ChannelName = (typeof channelNames)[number]
const channelList = z
  .string()
  .default(channelNames.join(','))
  .transform((list) => list.split(',').map((name) => name.trim()))
  .pipe(z.array(z.enum(channelNames)).min(1))

const emailList = z
  .string()
  .default('')
  .transform((list) => list.split(',').flatMap((email) => email.trim().toLowerCase() || []))
  .pipe(z.array(z.email('must be a list of e-mail addresses')))
const tokensPerMinute = z.coerce.number().int().min(1).max(1_000_000_000).optional()

const urlOr = (otherwise: string) =>
  z
    .url({ protocol: /^https?$/ })
    .default(otherwise)
    .transform((url) => url.replace(/\/+$/, ''))

const providerUrl = (production: boolean, real: string, sandbox: string) =>
  urlOr(production ? real : `http://localhost:4100/${sandbox}`)

/** A setting of a channel: in production it must be there when the channel is on, and is empty otherwise. */
const channelSetting = (
  production: boolean,
  isOn: boolean,
  fallback: string,
  format: z.ZodString = z.string().min(1, 'must be set in production'),
) => (production ? (isOn ? format : z.string().default('')) : z.string().min(1).default(fallback))

const schema = (production: boolean, channels: readonly ChannelName[]) =>
  z.object({
    NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
    /** HTTP: API, webhooks, health. */
    PORT: port(8000),
    /** Where both listen. Development's keys are known to everybody, so it hides behind loopback. */
    LISTEN_ADDRESS: z.ipv4().default(production ? '0.0.0.0' : '127.0.0.1'),
    LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
    /** Mutual TLS for host agents. */
    GRPC_PORT: port(8443),
    /** Absent outside production: an embedded PostgreSQL in .data/. */
    DATABASE_URL: production ? z.url() : z.url().optional(),
    /** Where people find the web, which hands /api/v1 through to us: sessions are cookies of this origin. */
    WEB_URL: (production
      ? z.url({ protocol: /^https$/, error: 'must be an https address' })
      : z.url().default('http://localhost:3000')
    ).transform((url) => url.replace(/\/+$/, '')),
    /** Our own public address; webhooks are registered and signatures checked under it. */
    API_URL: (production ? z.url() : z.url().default('http://localhost:8000')).transform((url) =>
      url.replace(/\/+$/, ''),
    ),
    /** host:port that agents are told at enrollment. */
    GRPC_PUBLIC_ADDRESS: production
      ? z.string().regex(/^[^:]+:\d+$/, 'must be host:port')
      : z.string().default('localhost:8443'),
    /** Signs our own bearer tokens and sessions; newest first, id:base64 of a 32-byte Ed25519 seed. */
    SESSION_SIGNING_KEYS: production ? keyRing : keyRing.default(developmentKeys),
    /** Seals secrets at rest; newest first, id:base64 of 32 bytes. */
    ENCRYPTION_KEYS: production ? keyRing : keyRing.default(developmentKeys),
    /** Who signs people in: an OpenID provider, Google unless told otherwise. Its tokens decide who somebody is. */
    GOOGLE_ISSUER: production
      ? z
          .url({ protocol: /^https$/, error: 'must be an https address' })
          .default('https://accounts.google.com')
      : z.url().default('http://localhost:4100/google'),
    /** From Google's console; {WEB_URL}/api/v1/auth/google/callback is its redirect address. */
    GOOGLE_CLIENT_ID: secret(production, 'development.apps.googleusercontent.com'),
    GOOGLE_CLIENT_SECRET: secret(production, 'development-google-secret'),
    /** Whether people may connect Calendar, Gmail and Drive; Google must have verified the client first. */
    FEATURE_GOOGLE_INTEGRATIONS: z
      .enum(['true', 'false'])
      .default('false')
      .transform((value) => value === 'true'),
    /** Where Google's APIs are. */
    GOOGLE_API_BASE: providerUrl(production, 'https://www.googleapis.com', 'google'),
    /** A Supabase project whose JWTs are accepted too. */
    SUPABASE_URL: z.url().optional(),
    /** Where people may write: telegram, whatsapp, web. What is left out has no webhook and no sender. */
    CHANNELS_ENABLED: channelList,
    TELEGRAM_BOT_TOKEN: channelSetting(production, channels.includes('telegram'), '1000:development'),
    TELEGRAM_BOT_USERNAME: channelSetting(production, channels.includes('telegram'), 'yourclaw_dev_bot'),
    /** Telegram allows letters, digits, _ and - only. */
    TELEGRAM_WEBHOOK_SECRET: channelSetting(
      production,
      channels.includes('telegram'),
      'development-secret',
      z.string().regex(/^[A-Za-z0-9_-]{16,256}$/, 'must be 16 to 256 letters, digits, _ or -'),
    ),
    TELEGRAM_API_ROOT: z
      .url()
      .default(production ? 'https://api.telegram.org' : 'http://localhost:4100/telegram'),
    /** What the links to our chats begin with. */
    TELEGRAM_LINK_ROOT: urlOr('https://t.me'),
    WHATSAPP_LINK_ROOT: urlOr('https://wa.me'),
    TWILIO_ACCOUNT_SID: channelSetting(
      production,
      channels.includes('whatsapp'),
      'ACdec0de00000000000000000000000000',
      z.string().regex(/^AC[0-9a-fA-F]{32}$/, 'must be AC and 32 hexadecimal digits'),
    ),
    /** Signs in to Twilio and checks the signatures of its webhooks. */
    TWILIO_AUTH_TOKEN: channelSetting(production, channels.includes('whatsapp'), 'development-twilio-token'),
    /** The WhatsApp sender with its country code: +15550100; whatsapp: before it is fine. */
    TWILIO_WHATSAPP_NUMBER: channelSetting(
      production,
      channels.includes('whatsapp'),
      '+15550100',
      z.string().regex(/^(whatsapp:)?\+[1-9]\d{6,14}$/, 'must be a number with its country code'),
    ).transform((number) => number.replace(/^whatsapp:/, '')),
    /** The approved template that says outside the 24-hour window that the assistant is ready; {{1}} is the name. */
    TWILIO_READY_CONTENT_SID: contentSid.default('HX2da33755ce26e6cd5177e9d07bba71d6'),
    /** The approved template that asks somebody to write, so that what waits can be sent; without it, it just waits. */
    TWILIO_INVITE_CONTENT_SID: production
      ? contentSid.optional()
      : contentSid.optional().default('HX5ca1ab1e00000000000000000000beef'),
    /** Absent in production: Twilio's own addresses. */
    TWILIO_API_BASE: production ? z.url().optional() : z.url().default('http://localhost:4100/twilio'),
    STRIPE_SECRET_KEY: secret(production, 'sk_test_development'),
    /** Checks the signatures of Stripe's webhooks. */
    STRIPE_WEBHOOK_SECRET: (production
      ? z.string()
      : z.string().default('whsec_developmentStripeSecret')
    ).refine((value) => value.startsWith('whsec_'), 'must begin with whsec_'),
    /** The monthly price that checkout sells; it must be what plan.ts says. */
    STRIPE_PRICE_ID: secret(production, 'price_sandboxMonthly'),
    /** Absent in production: Stripe's own address. Without a path: its SDK takes none. */
    STRIPE_API_BASE: production ? z.url().optional() : z.url().default('http://localhost:4100'),
    RESEND_API_KEY: secret(production, 're_development'),
    /** Absent in production: Resend's own address. */
    RESEND_BASE_URL: production ? z.url().optional() : z.url().default('http://localhost:4100/resend'),
    /** Whom mail comes from: an address, or Name <address>, of a domain that Resend has verified. */
    MAIL_FROM: secret(production, 'YourClaw <hello@yourclaw.example>'),
    ANTHROPIC_API_KEY: secret(production, 'sk-ant-development'),
    OPENAI_API_KEY: secret(production, 'sk-development'),
    GOOGLE_API_KEY: secret(production, 'google-development'),
    RATE_LIMIT_PER_DAY: count(plan.messagesPerDay),
    RATE_LIMIT_PER_MINUTE: count(plan.messagesPerMinute),
    /** Comma-separated: who may use the operator API, and is mailed alerts. */
    OPERATOR_EMAILS: emailList,
    /** Web search for assistants; without it they have none. */
    BRAVE_API_KEY: production ? z.string().optional() : z.string().default('brave-development'),
    /** Where people's own keys are checked. */
    ANTHROPIC_BASE_URL: providerUrl(production, 'https://api.anthropic.com', 'anthropic'),
    OPENAI_BASE_URL: providerUrl(production, 'https://api.openai.com', 'openai'),
    GEMINI_BASE_URL: providerUrl(production, 'https://generativelanguage.googleapis.com', 'gemini'),
    /** Input tokens a minute that the account of each shared key allows; absent = as many as come. */
    ANTHROPIC_TOKENS_PER_MINUTE: production ? tokensPerMinute.default(50_000) : tokensPerMinute,
    OPENAI_TOKENS_PER_MINUTE: tokensPerMinute,
    GOOGLE_TOKENS_PER_MINUTE: tokensPerMinute,
    /** What all shared keys together may cost in a day (UTC), in micro-dollars; absent = no bound. */
    PLATFORM_DAILY_CAP_MICROS: z
      .string()
      .regex(/^\d{1,15}$/, 'must be a whole number')
      .transform(BigInt)
      .optional(),
    /** An OpenAI-compatible endpoint that listens to voice messages, up to its /v1; without it people are told to write. */
    TRANSCRIPTION_BASE_URL: (production
      ? z.url({ protocol: /^https?$/ }).optional()
      : z.url({ protocol: /^https?$/ }).default('http://localhost:4100/openai/v1')
    ).transform((url) => url?.replace(/\/+$/, '')),
    TRANSCRIPTION_API_KEY: production
      ? z.string().default('')
      : z.string().default('development-transcription-key'),
    TRANSCRIPTION_MODEL: z.string().min(1).default('whisper-1'),
    /** Where exports and backups are kept, sealed: file:///folder that all replicas share, or s3://bucket/prefix?region=…&endpoint=… */
    BACKUP_STORE: production ? storeUrl : storeUrl.default(developmentStore),
    /** Who we are at S3, by the names that everybody uses. */
    AWS_ACCESS_KEY_ID: z.string().optional(),
    AWS_SECRET_ACCESS_KEY: z.string().optional(),
    /** Where /metrics is served; absent = nowhere. Never on the public port. */
    METRICS_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
    METRICS_ADDRESS: z.string().default('127.0.0.1'),
    /** An OTLP collector over HTTP; absent = spans are not even made. */
    OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  })

export type Env = z.output<ReturnType<typeof schema>>

/** Reads every setting or throws one error that names each bad one, and never a value (O4). */
export function readEnv(source: NodeJS.ProcessEnv): Env {
  const production = source.NODE_ENV === 'production'
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''))
  // Which settings must be there depends on the channels; a bad list of them is named below like any other.
  const channels = channelList.safeParse(given.CHANNELS_ENABLED).data ?? channelNames
  const parsed = schema(production, channels).safeParse(given)
  const problems = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${explain(issue)}`)
  if (production) {
    const conveniences = ['MOCK_TWILIO', 'MOCK_TELEGRAM', 'MOCK_STRIPE', 'MOCK_CONTAINERS', 'DEV_SEED']
    for (const name of conveniences)
      if (given[name]) problems.push(`${name}: is for development and must not be set in production`)
  }
  if (!parsed.success || problems.length > 0) throw new Error(`Bad settings:\n  ${problems.join('\n  ')}`)
  return parsed.data
}

function explain(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.expected === 'number') return 'is not a number'
  return issue.code === 'invalid_type' && issue.input === undefined ? 'is missing' : issue.message
}
