import { serve } from '@hono/node-server'
import { deploy } from '@yourclaw/db/migrate'
import { Provider } from '@yourclaw/proto/host/v1'
import { type MetricsServer, serveMetrics } from '@yourclaw/telemetry'
import type { Logger } from 'pino'
import { collectDefaultMetrics } from 'prom-client'
import { createApp } from './app.ts'
import type { ChannelSenders } from './channels/sender.ts'
import { type Deps, openDeps } from './deps.ts'
import type { Env } from './env.ts'
import { everyone } from './fleet/audience.ts'
import { fleetTiming } from './fleet/deps.ts'
import { hostVerbs } from './fleet/host-verbs.ts'
import { type FleetServer, startFleetServer } from './fleet/server.ts'
import { exportUrl } from './http/routes/exports.ts'
import { workBilling } from './jobs/billing.ts'
import { reopenLines, workDeliveries } from './jobs/deliveries.ts'
import { workErasures } from './jobs/erasures.ts'
import { workExports } from './jobs/exports.ts'
import { workFiles } from './jobs/files.ts'
import { workMails } from './jobs/mails.ts'
import { workToolActions } from './jobs/tool-actions.ts'
import { observeConversation } from './observability/conversation.ts'
import { observeSenders, watchDeliveries } from './observability/deliveries.ts'
import { watchSpeech } from './observability/speech.ts'
import { createPreview } from './preview.ts'
import { createProgressLine } from './progress-line.ts'
import { mailAlerts } from './services/alert/mail-alerts.ts'
import { watchFleet } from './services/alert/watch-fleet.ts'
import { moveRetired } from './services/assistant/move-retired.ts'
import { adoptTurns } from './services/conversation/adopt-turns.ts'
import { claimTurns } from './services/conversation/claim-turns.ts'
import { failTurn } from './services/conversation/fail-turn.ts'
import { finishTurn } from './services/conversation/finish-turn.ts'
import { prepareTurn } from './services/conversation/prepare-turn.ts'
import { readTurnInput } from './services/conversation/read-turn-input.ts'
import { runningTurns } from './services/conversation/running-turns.ts'
import { sendNoticeIn } from './services/conversation/send-notice.ts'
import { turnsToStop } from './services/conversation/stop-turn.ts'
import { sweep } from './services/conversation/sweep.ts'
import { tellProgress } from './services/conversation/tell-progress.ts'
import { texts } from './services/conversation/texts.ts'
import { claimOperations } from './services/host-operation/claim-operations.ts'
import { finishOperation } from './services/host-operation/finish-operation.ts'
import { storeArchive } from './services/host-operation/store-archive.ts'
import { mailPerson } from './services/mail/mail-person.ts'
import { releaseHeld } from './services/speech/release-held.ts'
import { takeSpoken } from './services/speech/take-spoken.ts'
import { checkPrice } from './services/subscription/check-price.ts'
import { callTool } from './services/tool/call-tool.ts'
import { listTools } from './services/tool/list-tools.ts'
import { createTyping } from './typing.ts'
import { registerWebhooks, repairWebhooks } from './webhooks.ts'

const sweepIntervalMs = 30_000
/** A registration may be lost at the provider, or taken by another deployment that has gone. */
const webhookIntervalMs = 60_000
/** What a request in flight gets to finish; a stream of events has no end of its own and opens again elsewhere. */
const httpGraceMs = 3_000
const deliveryGraceMs = 10_000

export interface ControlPlane {
  deps: Deps
  httpPort: number
  grpcPort: number
  /** Absent without METRICS_PORT. */
  metricsPort: number | undefined
  /** Takes no new work, lets hosts go, finishes requests, closes what is open. A second call waits for the first. */
  stop(): Promise<void>
}

/** A message's way through this process, in order. */
export type Step = 'webhook' | 'claimTurns' | 'readTurnInput' | 'finishTurn' | 'send'

/** Stands around each step; tests make the process die before or after one. */
export type Around = <T>(step: Step, work: () => Promise<T>) => Promise<T>

const straight: Around = (_, work) => work()

/** The same senders, with `around` each part. */
function surround(senders: ChannelSenders, around: Around): ChannelSenders {
  const surrounded = Object.entries(senders).map(([channel, sender]) => {
    const send: typeof sender.send = (...part) => around('send', () => sender.send(...part))
    return [channel, { ...sender, send }]
  })
  return Object.fromEntries(surrounded)
}

/** Migrates the database and starts everything, in this order: what is used starts before who uses it. */
export async function startControlPlane(
  env: Env,
  databaseUrl: string,
  log: Logger,
  around: Around = straight,
): Promise<ControlPlane> {
  await deploy(databaseUrl)
  const deps = await openDeps(env, databaseUrl, log)
  const metricsServer = await serveFigures(deps)
  const senders = observeSenders(surround(deps.senders, around), deps.metrics, deps.ctx.clock)
  const delivery = { ...deps, senders, watch: watchDeliveries({ ...deps, clock: deps.ctx.clock }) }
  const deliveries = workDeliveries(delivery)
  const mails = workMails(deps)
  const exports = workExports({
    ...deps,
    link: async (id, until) => exportUrl(env.WEB_URL, id, await deps.tokens.signLink(id, until)),
  })
  const files = workFiles(deps)
  const erasures = workErasures({ ...deps, ctx: { ...deps.billing, consent: deps.integrations.consent } })
  const toolActions = workToolActions({ ...deps, ctx: deps.integrations })
  const billing = await workBilling({ ...deps, ctx: deps.billing })
  checkPrice({ ctx: deps.billing }).catch((err: unknown) =>
    log.warn({ err }, 'the price could not be checked'),
  )
  const fleet = await startFleet(deps, around)
  const { server, port: httpPort } = await listenHttp(deps, around)
  await registerWebhooks(deps)
  const sweeper = setInterval(() => {
    moveRetired({ ctx: deps.ctx }).catch((err: unknown) => log.error({ err }, 'people were not moved'))
    releaseHeld({ ctx: deps.ctx }).catch((err: unknown) => log.error({ err }, 'held messages were not sent'))
    sweep({ ctx: deps.ctx }).catch((err: unknown) => log.error({ err }, 'sweep failed'))
    watchFleet({ ctx: deps.ctx })
      .then(() => mailAlerts({ ctx: deps.ctx }))
      .catch((err: unknown) => log.error({ err }, 'alerts could not be raised'))
    reopenLines(delivery).catch((err: unknown) => log.error({ err }, 'lines could not be reopened'))
    mails.sweep().catch((err: unknown) => log.error({ err }, 'mail could not be swept'))
    toolActions.sweep().catch((err: unknown) => log.error({ err }, 'actions could not be swept'))
    erasures.sweep().catch((err: unknown) => log.error({ err }, 'erasures could not be swept'))
  }, sweepIntervalMs)
  const registrar = setInterval(() => void repairWebhooks(deps), webhookIntervalMs)

  let stopping: Promise<void> | undefined
  const stop = async () => {
    clearInterval(sweeper)
    clearInterval(registrar)
    files.stop()
    await Promise.all([fleet.close(), closeHttp(server)])
    const workers = [deliveries, mails, billing, exports]
    await Promise.all([
      ...workers.map((worker) => worker.stop(deliveryGraceMs)),
      erasures.stop(),
      toolActions.stop(deliveryGraceMs),
    ])
    await metricsServer?.close()
    await deps.close()
  }
  return {
    deps,
    httpPort,
    grpcPort: fleet.port,
    metricsPort: metricsServer?.port,
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}

function startFleet(deps: Deps, around: Around): Promise<FleetServer> {
  const { ctx, env } = deps
  const observed = observeConversation({
    conversation: {
      claimTurns: ({ input }) => around('claimTurns', () => claimTurns({ ctx, input })),
      adoptTurns: ({ input }) => adoptTurns({ ctx, input }),
      readTurnInput: ({ input }) => around('readTurnInput', () => readTurnInput({ ctx, input })),
      prepareTurn: ({ input }) => prepareTurn({ ...deps, input }),
      finishTurn: ({ input }) => around('finishTurn', () => finishTurn({ ctx, input })),
      failTurn: ({ input }) => failTurn({ ctx, input }),
      runningTurns: ({ input }) => runningTurns({ ctx, input }),
      turnsToStop: ({ input }) => turnsToStop({ ctx, input }),
    },
    metrics: deps.metrics,
    tracing: deps.tracing,
    clock: ctx.clock,
  })
  return startFleetServer({
    ctx,
    authority: deps.authority,
    notifications: deps.notifications,
    port: env.GRPC_PORT,
    listenAddress: env.LISTEN_ADDRESS,
    replica: deps.replica,
    sharedKeys: [
      { provider: Provider.PROVIDER_ANTHROPIC, key: env.ANTHROPIC_API_KEY },
      { provider: Provider.PROVIDER_OPENAI, key: env.OPENAI_API_KEY },
      { provider: Provider.PROVIDER_GOOGLE, key: env.GOOGLE_API_KEY },
      ...(env.BRAVE_API_KEY ? [{ provider: Provider.PROVIDER_BRAVE, key: env.BRAVE_API_KEY }] : []),
    ],
    tokenRates: [
      { provider: Provider.PROVIDER_ANTHROPIC, perMinute: env.ANTHROPIC_TOKENS_PER_MINUTE },
      { provider: Provider.PROVIDER_OPENAI, perMinute: env.OPENAI_TOKENS_PER_MINUTE },
      { provider: Provider.PROVIDER_GOOGLE, perMinute: env.GOOGLE_TOKENS_PER_MINUTE },
    ].flatMap(({ provider, perMinute }) => (perMinute === undefined ? [] : [{ provider, perMinute }])),
    hosts: hostVerbs({
      ctx,
      vault: deps.vault,
      onFirstReady: async (tx, { userId, assistantId }) => {
        const { desiredGeneration } = await tx.assistant.findUniqueOrThrow({ where: { id: assistantId } })
        const once = { kind: 'assistant_ready', key: `${assistantId}:${desiredGeneration}` }
        await sendNoticeIn(tx, ctx, { userId, code: 'assistant_ready', text: texts.ready, once })
        await mailPerson({ tx, userId, template: 'assistant-ready', key: `assistant-ready:${once.key}` })
      },
    }),
    operations: {
      claim: (input) => claimOperations({ ctx, input }),
      store: (input) => storeArchive({ ctx, vault: deps.vault, store: deps.store, input }),
      finish: (input) => finishOperation({ ctx, input }),
    },
    speech: watchSpeech({
      speech: { take: (input) => takeSpoken({ ctx, vault: deps.vault, store: deps.store, input }) },
      metrics: deps.metrics,
    }),
    tools: {
      list: (input) => listTools({ ctx, input }),
      call: (input) => callTool({ ctx: deps.integrations, notifications: deps.notifications, input }),
    },
    hostsHere: ctx.hostsHere,
    ...observed,
    audience: everyone(
      [
        observed.audience,
        createTyping(deps),
        createPreview(deps),
        createProgressLine({ ...deps, tell: progressTeller(ctx) }),
        deps.live,
      ],
      ctx.log,
    ),
    maxTurnsPerHost: 40,
    timing: fleetTiming,
  })
}

const progressTeller = (ctx: Deps['ctx']) => (turnId: string) =>
  void tellProgress({ ctx, input: { turnId } }).catch((err: unknown) =>
    ctx.log.warn({ err, turnId }, 'progress was not told'),
  )

async function serveFigures({ env, metrics: { registry } }: Deps): Promise<MetricsServer | undefined> {
  if (env.METRICS_PORT === undefined) return undefined
  collectDefaultMetrics({ register: registry })
  return serveMetrics({ registry, address: env.METRICS_ADDRESS, port: env.METRICS_PORT })
}

function listenHttp(deps: Deps, around: Around) {
  const started = Promise.withResolvers<{ server: ReturnType<typeof serve>; port: number }>()
  const app = createApp(deps)
  const fetch: typeof app.fetch = (request, ...rest) => {
    const answer = async () => app.fetch(request, ...rest)
    return request.url.includes('/webhooks/') ? around('webhook', answer) : answer()
  }
  const server = serve({ fetch, port: deps.env.PORT, hostname: deps.env.LISTEN_ADDRESS }, ({ port }) =>
    started.resolve({ server, port }),
  )
  server.once('error', started.reject)
  return started.promise
}

async function closeHttp(server: ReturnType<typeof serve>): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  const force = setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), httpGraceMs)
  await closed
  clearTimeout(force)
}
