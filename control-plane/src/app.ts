import { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { except } from 'hono/combine'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import type { Deps } from './deps.ts'
import { authenticate } from './http/middleware/authenticate.ts'
import { emptyBody } from './http/middleware/empty-body.ts'
import { errorHandler, notFoundHandler } from './http/middleware/errors.ts'
import { errorsAsPages } from './http/middleware/errors-as-pages.ts'
import { limitCostly, limitSearches, limitStrangers, limitWrites } from './http/middleware/limit.ts'
import { observe } from './http/middleware/observe.ts'
import { operatorsOnly } from './http/middleware/operator.ts'
import { createSessionCookie } from './http/middleware/session.ts'
import { apiKeyRoutes } from './http/routes/api-keys.ts'
import { assistantRoutes } from './http/routes/assistants.ts'
import { authRoutes } from './http/routes/auth.ts'
import { channelRoutes } from './http/routes/channels.ts'
import { chatRoutes } from './http/routes/chats.ts'
import { creditRoutes } from './http/routes/credits.ts'
import { docsRoutes } from './http/routes/docs.ts'
import { exportRoutes } from './http/routes/exports.ts'
import { feedbackRoutes } from './http/routes/feedback.ts'
import { fileRoutes } from './http/routes/files.ts'
import { healthRoutes } from './http/routes/health.ts'
import { hostRoutes } from './http/routes/hosts.ts'
import { integrationRoutes } from './http/routes/integrations.ts'
import { messageRoutes } from './http/routes/messages.ts'
import { modelRoutes } from './http/routes/models.ts'
import { newsRoutes } from './http/routes/news.ts'
import { operatorAssistantRoutes } from './http/routes/operator/assistants.ts'
import { operatorDutyRoutes } from './http/routes/operator/duties.ts'
import { operatorHostRoutes } from './http/routes/operator/hosts.ts'
import { operatorImageRoutes } from './http/routes/operator/images.ts'
import { planRoutes } from './http/routes/plan.ts'
import { questionRoutes } from './http/routes/questions.ts'
import { subscriptionRoutes } from './http/routes/subscription.ts'
import { usageRoutes } from './http/routes/usage.ts'
import { userRoutes } from './http/routes/users.ts'
import { stripeWebhook } from './http/webhooks/stripe.ts'
import { telegramWebhook } from './http/webhooks/telegram.ts'
import { twilioWebhooks } from './http/webhooks/twilio.ts'
import { createExportEnqueuer } from './jobs/exports.ts'
import { createSupabaseTokens } from './lib/tokens.ts'

const base = '/api/v1'
const maxBodyBytes = 1024 * 1024
/** What only a signed-in person reaches. */
const signedIn = [
  '/auth/logout',
  '/users/*',
  '/checkout',
  '/subscription',
  '/subscription/*',
  '/feedback',
  '/usage',
  '/credits',
  '/credits/*',
  '/api-keys',
  '/api-keys/*',
  '/assistants',
  '/assistants/*',
  '/attachments',
  '/messages',
  '/messages/*',
  '/integrations',
  '/integrations/*',
  '/questions/*',
  '/operator/*',
]

/** What costs us much, or somebody else: a few times an hour. */
const costly = ['/users/me/export', '/feedback']

/** What everybody may call as often as their address may. */
const forStrangers = ['/auth/google', '/auth/google/callback', '/exports/*', '/hosts/enroll']

/** The whole HTTP surface, without a port: main.ts listens, tests call `app.request()`. */
export function createApp(deps: Deps) {
  const { ctx, env } = deps
  const app = new OpenAPIHono()
  app.onError(errorHandler(deps.log))
  app.notFound(notFoundHandler)
  app.use(requestId())
  app.use(observe(deps))
  // What is JSON may do nothing at all in a browser; the page of the reference says its own policy.
  app.use(
    secureHeaders({
      overwrite: false,
      xFrameOptions: 'DENY',
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"] },
    }),
  )
  const tooLarge = { detail: 'The body is too large.', code: 'body_too_large' }
  // An upload is whatever it is, counted as it is stored, and has a limit of its own.
  app.use(
    except(
      `${base}/attachments`,
      bodyLimit({ maxSize: maxBodyBytes, onError: (c) => c.json(tooLarge, 413) }),
      emptyBody(),
    ),
  )
  app.use(
    `${base}/auth/google/*`,
    errorsAsPages(env.WEB_URL, (code) => `/login?error=${code}`),
  )
  app.use(
    `${base}/exports/*`,
    errorsAsPages(env.WEB_URL, (code) => `/dashboard/account?export=${code}`),
  )
  for (const path of forStrangers) app.use(`${base}${path}`, limitStrangers(deps.limits))

  const health = healthRoutes(ctx)
  app.route('/', health)
  app.route(base, health)
  if (deps.senders.TELEGRAM) {
    app.route(`${base}/webhooks/telegram`, telegramWebhook({ ctx, secret: env.TELEGRAM_WEBHOOK_SECRET }))
  }
  if (deps.senders.WHATSAPP) {
    const { TWILIO_AUTH_TOKEN: authToken, API_URL: apiUrl } = env
    app.route(`${base}/webhooks/twilio`, twilioWebhooks({ ctx, authToken, apiUrl }))
  }
  app.route(
    `${base}/webhooks/stripe`,
    stripeWebhook({ ctx: deps.billing, secret: env.STRIPE_WEBHOOK_SECRET }),
  )
  app.route(base, modelRoutes(ctx))
  app.route(base, planRoutes(ctx))
  app.route(base, chatRoutes(ctx))
  app.route(base, hostRoutes({ ctx, signer: deps.authority, grpcAddress: env.GRPC_PUBLIC_ADDRESS }))

  app.doc31(`${base}/openapi.json`, {
    openapi: '3.1.0',
    info: { title: 'YourClaw API', version: '1' },
    security: [{ bearer: [] }, { session: [] }],
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  app.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: env.WEB_URL.startsWith('https:') ? '__Host-session' : 'session',
    description: 'Set by signing in. What changes something must come from a page of the web (Origin).',
  })
  app.route(base, docsRoutes())

  const foreign = env.SUPABASE_URL === undefined ? undefined : createSupabaseTokens(env.SUPABASE_URL)
  const cookie = createSessionCookie(deps.tokens, env.WEB_URL)
  const origins = [env.WEB_URL, env.API_URL].map((url) => new URL(url).origin)
  const requireUser = authenticate({ ctx, tokens: deps.tokens, foreign, cookie, origins })
  for (const path of signedIn) app.use(`${base}${path}`, requireUser, limitWrites(deps.limits))
  app.use(`${base}/operator/*`, operatorsOnly(ctx))
  for (const path of costly) app.use(`${base}${path}`, limitCostly(deps.limits))
  app.route(base, authRoutes({ ctx, vault: deps.vault, google: deps.google, cookie }))
  app.route(base, feedbackRoutes(ctx))
  app.route(base, usageRoutes(ctx))
  app.route(base, creditRoutes({ ctx, openPage: deps.openTopUpPage }))
  app.route(base, integrationRoutes(deps.integrations))
  app.route(base, apiKeyRoutes({ ctx, vault: deps.vault, checkKey: deps.checkKey }))
  app.route(base, userRoutes({ ctx, notifications: deps.notifications, cookie }))
  const enqueueExport = createExportEnqueuer(deps.boss)
  app.route(
    base,
    exportRoutes({ ctx, vault: deps.vault, tokens: deps.tokens, store: deps.store, enqueue: enqueueExport }),
  )
  app.route(base, subscriptionRoutes(deps.billing))
  app.route(base, newsRoutes(deps))
  app.route(base, fileRoutes({ ctx, vault: deps.vault, tokens: deps.tokens, store: deps.store }))
  app.use(`${base}/messages`, limitSearches(deps.limits))
  app.route(base, messageRoutes(deps))
  app.route(base, questionRoutes(ctx))
  app.route(base, channelRoutes(ctx))
  app.route(base, assistantRoutes({ ctx, vault: deps.vault, notifications: deps.notifications }))
  app.route(base, operatorHostRoutes(ctx))
  app.route(base, operatorImageRoutes(ctx))
  app.route(base, operatorAssistantRoutes(ctx))
  app.route(base, operatorDutyRoutes(deps))
  return app
}
