import { randomUUID } from 'node:crypto'
import { type Database, openDatabase, openPool } from '@yourclaw/db'
import { openTracing, type Tracing } from '@yourclaw/telemetry'
import type { PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import { createFileSources } from './channels/file-sources.ts'
import { createOutgoingFiles } from './channels/outgoing-files.ts'
import type { ChannelSenders } from './channels/sender.ts'
import { createTelegram, type Telegram } from './channels/telegram.ts'
import { createWhatsapp, type Whatsapp } from './channels/whatsapp.ts'
import { type Settings, systemClock } from './context.ts'
import type { Env } from './env.ts'
import { type Authority, openAuthority } from './fleet/authority.ts'
import { createLimits, type Limits } from './http/middleware/limit.ts'
import { createBillingJobs, createBillingQueues } from './jobs/billing.ts'
import { openBoss } from './jobs/boss.ts'
import { createDeliveryQueues, createOutbox, type DeliveryOutbox } from './jobs/deliveries.ts'
import { createExportQueue } from './jobs/exports.ts'
import { createMailQueues } from './jobs/mails.ts'
import { createGoogle, type Google } from './lib/google.ts'
import { googleApis } from './lib/google-api.ts'
import { createGoogleConsent } from './lib/google-consent.ts'
import { listen, type Notifications } from './lib/notifications.ts'
import { createStripe } from './lib/stripe.ts'
import { createTokens, type Tokens } from './lib/tokens.ts'
import { createVault, type Vault } from './lib/vault.ts'
import { createLiveAnswers, type LiveAnswers } from './live/answers.ts'
import { createMailer, type Mailer } from './mail/mailer.ts'
import { registerGauges } from './observability/gauges.ts'
import { createMetrics, type Metrics } from './observability/metrics.ts'
import { createKeyCheck } from './providers/key-check.ts'
import { createTranscription } from './providers/transcription.ts'
import { type CheckKey, keyProviders } from './services/api-key/check-key.ts'
import type { FileSources } from './services/attachment/sources.ts'
import type { Transcribe } from './services/attachment/transcribe.ts'
import type { ConversationCtx } from './services/conversation/ctx.ts'
import { createTogether } from './services/conversation/together.ts'
import type { OpenTopUpPage } from './services/credit/top-up.ts'
import { createContentStore } from './services/delivery/content-store.ts'
import type { IntegrationCtx } from './services/integration/ctx.ts'
import type { BillingCtx } from './services/subscription/ctx.ts'
import { createTopUpPages } from './services/subscription/top-ups.ts'
import { openStore } from './storage/open-store.ts'
import type { Store } from './storage/store.ts'

/** Everything that lives as long as the process; made once, in main.ts and in tests. */
export interface Deps {
  env: Env
  log: Logger
  db: Database
  ctx: ConversationCtx
  outbox: DeliveryOutbox
  billing: BillingCtx
  vault: Vault
  tokens: Tokens
  google: Google
  integrations: IntegrationCtx
  limits: Limits
  /** Files that every replica reaches. */
  store: Store
  /** Where files of people's messages come from. */
  sources: FileSources
  /** Undefined: nobody listens to voice messages. */
  transcribe: Transcribe | undefined
  authority: Authority
  boss: PgBoss
  notifications: Notifications
  /** Answers as they are written, for the web. */
  live: LiveAnswers
  telegram: Telegram
  whatsapp: Whatsapp
  /** Of the channels that are on. */
  senders: ChannelSenders
  mailer: Mailer
  checkKey: CheckKey
  /** Absent without a payment provider. */
  openTopUpPage?: OpenTopUpPage
  metrics: Metrics
  tracing: Tracing
  /** Names this process among the replicas. */
  replica: string
  close(): Promise<void>
}

const channelOf = { telegram: 'TELEGRAM', whatsapp: 'WHATSAPP', web: 'WEB' } as const

export function settingsOf(env: Env): Settings {
  return {
    webUrl: env.WEB_URL,
    rateLimitPerDay: env.RATE_LIMIT_PER_DAY,
    rateLimitPerMinute: env.RATE_LIMIT_PER_MINUTE,
    telegramBotUsername: env.TELEGRAM_BOT_USERNAME,
    chatUrls: {
      TELEGRAM: `${env.TELEGRAM_LINK_ROOT}/${env.TELEGRAM_BOT_USERNAME}`,
      WHATSAPP: `${env.WHATSAPP_LINK_ROOT}/${env.TWILIO_WHATSAPP_NUMBER.slice(1)}`,
    },
    channels: env.CHANNELS_ENABLED.map((name) => channelOf[name]),
    whatsapp: {
      readyContentSid: env.TWILIO_READY_CONTENT_SID,
      inviteContentSid: env.TWILIO_INVITE_CONTENT_SID ?? null,
    },
    transcribes: env.TRANSCRIPTION_BASE_URL !== undefined,
    operatorEmails: env.OPERATOR_EMAILS,
    sharedProviders: [...keyProviders, ...(env.BRAVE_API_KEY ? (['BRAVE'] as const) : [])],
    platformDailyCapMicros: env.PLATFORM_DAILY_CAP_MICROS ?? null,
    googleIntegrations: env.FEATURE_GOOGLE_INTEGRATIONS,
  }
}

/** Opens what the process needs on a migrated database. */
export async function openDeps(env: Env, databaseUrl: string, log: Logger): Promise<Deps> {
  const db = openDatabase(databaseUrl)
  const pool = openPool(databaseUrl)
  const vault = createVault(env.ENCRYPTION_KEYS)
  const boss = await openBoss(databaseUrl, log)
  await createDeliveryQueues(boss)
  await createMailQueues(boss)
  await createExportQueue(boss)
  await createBillingQueues(boss)
  const notifications = await listen(databaseUrl, log, pool.isOwn)
  const clock = systemClock
  const own = { db, pool, wake: notifications.tell, hostsHere: new Map(), clock, log }
  const live = createLiveAnswers({ pool, notifications, clock, log })
  const outbox = createOutbox(boss)
  const alone = { ...own, settings: settingsOf(env), outbox }
  const ctx: ConversationCtx = { ...alone, together: createTogether(alone) }
  const tokens = createTokens(env.SESSION_SIGNING_KEYS, env.API_URL)
  const store = openStore(env.BACKUP_STORE, {
    accessKeyId: env.AWS_ACCESS_KEY_ID,
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
  })
  const { WEB_URL: webUrl, API_URL: apiUrl } = env
  const files = createOutgoingFiles({ ctx, vault, store, tokens, webUrl, apiUrl })
  const telegram = createTelegram({ token: env.TELEGRAM_BOT_TOKEN, apiRoot: env.TELEGRAM_API_ROOT, files })
  const whatsapp = createWhatsapp({
    accountSid: env.TWILIO_ACCOUNT_SID,
    authToken: env.TWILIO_AUTH_TOKEN,
    number: env.TWILIO_WHATSAPP_NUMBER,
    apiBase: env.TWILIO_API_BASE,
    statusUrl: `${env.API_URL}/api/v1/webhooks/twilio/status`,
    files,
    contents: createContentStore(ctx, env.TWILIO_ACCOUNT_SID),
    log,
  })
  const isOn = (name: Env['CHANNELS_ENABLED'][number]) => env.CHANNELS_ENABLED.includes(name)
  const replica = randomUUID()
  const metrics = createMetrics()
  registerGauges(metrics.registry, ctx)
  const endpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT
  const tracing = await openTracing({ endpoint, service: 'yourclaw-control-plane', instance: replica })
  const billing: BillingCtx = {
    ...ctx,
    stripe: createStripe({ secretKey: env.STRIPE_SECRET_KEY, apiBase: env.STRIPE_API_BASE }),
    priceId: env.STRIPE_PRICE_ID,
    vault,
    billingJobs: createBillingJobs(boss),
  }
  const googleClient = {
    issuer: env.GOOGLE_ISSUER,
    clientId: env.GOOGLE_CLIENT_ID,
    clientSecret: env.GOOGLE_CLIENT_SECRET,
  }
  return {
    env,
    log,
    db,
    ctx,
    billing,
    openTopUpPage: createTopUpPages(billing),
    outbox,
    vault,
    tokens,
    sources: createFileSources({
      telegram: { token: env.TELEGRAM_BOT_TOKEN, apiRoot: env.TELEGRAM_API_ROOT },
      twilio: {
        accountSid: env.TWILIO_ACCOUNT_SID,
        authToken: env.TWILIO_AUTH_TOKEN,
        apiBase: env.TWILIO_API_BASE,
      },
    }),
    transcribe: env.TRANSCRIPTION_BASE_URL
      ? createTranscription({
          baseUrl: env.TRANSCRIPTION_BASE_URL,
          apiKey: env.TRANSCRIPTION_API_KEY,
          model: env.TRANSCRIPTION_MODEL,
        })
      : undefined,
    integrations: {
      ...ctx,
      vault,
      consent: createGoogleConsent(googleClient),
      openApi: googleApis(env.GOOGLE_API_BASE),
    },
    google: createGoogle({
      ...googleClient,
      redirectUri: `${env.WEB_URL}/api/v1/auth/google/callback`,
    }),
    limits: createLimits(db),
    store,
    authority: await openAuthority({ db, vault, clock }),
    boss,
    notifications,
    live,
    telegram,
    whatsapp,
    senders: {
      ...(isOn('telegram') && { TELEGRAM: telegram }),
      ...(isOn('whatsapp') && { WHATSAPP: whatsapp }),
    },
    mailer: createMailer({
      apiKey: env.RESEND_API_KEY,
      baseUrl: env.RESEND_BASE_URL,
      from: env.MAIL_FROM,
    }),
    checkKey: createKeyCheck(env),
    metrics,
    tracing,
    replica,
    async close() {
      live.close()
      await notifications.close()
      await boss.stop({ graceful: true, timeout: 10_000 })
      await tracing.close()
      await pool.close()
      await db.$disconnect()
    },
  }
}
