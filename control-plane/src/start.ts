import { randomUUID } from 'node:crypto'
import { serve } from '@hono/node-server'
import { deploy } from '@yourclaw/db/migrate'
import { Provider } from '@yourclaw/proto/host/v1'
import type { Logger } from 'pino'
import { createApp } from './app.ts'
import { type Deps, openDeps } from './deps.ts'
import type { Env } from './env.ts'
import { type FleetServer, startFleetServer } from './fleet/server.ts'
import { workDeliveries } from './jobs/deliveries.ts'
import { adoptTurns } from './services/conversation/adopt-turns.ts'
import { claimTurns } from './services/conversation/claim-turns.ts'
import { failTurn } from './services/conversation/fail-turn.ts'
import { finishTurn } from './services/conversation/finish-turn.ts'
import { readTurnInput } from './services/conversation/read-turn-input.ts'
import { sendNoticeIn } from './services/conversation/send-notice.ts'
import { turnsToStop } from './services/conversation/stop-turn.ts'
import { sweep } from './services/conversation/sweep.ts'
import { texts } from './services/conversation/texts.ts'
import { createTyping } from './typing.ts'

const sweepIntervalMs = 30_000

export interface ControlPlane {
  deps: Deps
  httpPort: number
  grpcPort: number
  /** Takes no new work, lets hosts go, finishes requests, closes what is open. A second call waits for the first. */
  stop(): Promise<void>
}

/** Migrates the database and starts everything, in this order: what is used starts before who uses it. */
export async function startControlPlane(env: Env, databaseUrl: string, log: Logger): Promise<ControlPlane> {
  await deploy(databaseUrl)
  const deps = await openDeps(env, databaseUrl, log)
  await workDeliveries(deps)
  const fleet = await startFleet(deps)
  const { server, port: httpPort } = await listenHttp(deps)
  await registerWebhooks(deps)
  const sweeper = setInterval(() => {
    sweep({ ctx: deps.ctx }).catch((err: unknown) => log.error({ err }, 'sweep failed'))
  }, sweepIntervalMs)

  let stopping: Promise<void> | undefined
  const stop = async () => {
    clearInterval(sweeper)
    await Promise.all([fleet.close(), new Promise((resolve) => server.close(resolve))])
    await deps.close()
  }
  return {
    deps,
    httpPort,
    grpcPort: fleet.port,
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}

function startFleet(deps: Deps): Promise<FleetServer> {
  const { ctx, env } = deps
  return startFleetServer({
    ctx,
    vault: deps.vault,
    authority: deps.authority,
    notifications: deps.notifications,
    port: env.GRPC_PORT,
    replica: randomUUID(),
    sharedKeys: [
      { provider: Provider.PROVIDER_ANTHROPIC, key: env.ANTHROPIC_API_KEY },
      { provider: Provider.PROVIDER_OPENAI, key: env.OPENAI_API_KEY },
      { provider: Provider.PROVIDER_GOOGLE, key: env.GOOGLE_API_KEY },
    ],
    conversation: {
      claimTurns: ({ input }) => claimTurns({ ctx, input }),
      adoptTurns: ({ input }) => adoptTurns({ ctx, input }),
      readTurnInput: ({ input }) => readTurnInput({ ctx, input }),
      finishTurn: ({ input }) => finishTurn({ ctx, input }),
      failTurn: ({ input }) => failTurn({ ctx, input }),
      turnsToStop: ({ input }) => turnsToStop({ ctx, input }),
    },
    onFirstReady: async (tx, { userId, assistantId }) => {
      const { desiredGeneration } = await tx.assistant.findUniqueOrThrow({ where: { id: assistantId } })
      const once = { kind: 'assistant_ready', key: `${assistantId}:${desiredGeneration}` }
      await sendNoticeIn(tx, ctx, { userId, code: 'assistant_ready', text: texts.ready, once })
    },
    onProgress: createTyping(deps),
    maxTurnsPerHost: 40,
    sweepMs: sweepIntervalMs,
    resyncMs: 10 * 60_000,
  })
}

function listenHttp(deps: Deps) {
  const started = Promise.withResolvers<{ server: ReturnType<typeof serve>; port: number }>()
  const server = serve({ fetch: createApp(deps).fetch, port: deps.env.PORT }, ({ port }) =>
    started.resolve({ server, port }),
  )
  server.once('error', started.reject)
  return started.promise
}

/** Idempotent. When a provider is down the old registration still stands, so the start goes on. */
async function registerWebhooks({ telegram, whatsapp, senders, env, log }: Deps): Promise<void> {
  const webhooks = `${env.API_URL}/api/v1/webhooks`
  const register = async (provider: string, work: () => Promise<unknown>) => {
    const taken = await work().catch(() => false)
    if (taken === false)
      log.error(
        { provider },
        'the webhook was not taken: messages arrive only if an earlier registration stands',
      )
  }
  await Promise.all([
    senders.TELEGRAM &&
      register('telegram', () => telegram.setWebhook(`${webhooks}/telegram`, env.TELEGRAM_WEBHOOK_SECRET)),
    senders.WHATSAPP && register('twilio', () => whatsapp.setWebhook(`${webhooks}/twilio/whatsapp`)),
  ])
}
