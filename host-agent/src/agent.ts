import { X509Certificate } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { openTracing, serveMetrics } from '@yourclaw/telemetry'
import { type Logger, pino } from 'pino'
import { collectDefaultMetrics } from 'prom-client'
import { createBackoff, pause } from './backoff.ts'
import { readCapacity } from './capacity/capacity.ts'
import type { AgentEnv } from './env.ts'
import { AgentError } from './errors.ts'
import { ensureIdentity } from './identity/enroll.ts'
import { renew } from './identity/renewal.ts'
import { type Identity, saveIdentity } from './identity/store.ts'
import { openJournal } from './journal/journal.ts'
import { keepLink, type LinkDeps } from './link/link.ts'
import { createMetering } from './metering/metering.ts'
import { createKeyRing } from './model-gateway/keys.ts'
import { type ModelGateway, startModelGateway } from './model-gateway/server.ts'
import { createMetrics, type Metrics, registerGauges } from './observability/metrics.ts'
import { createWatch } from './observability/watch.ts'
import { createOperations, operationsCapability } from './operations/operations.ts'
import type { CrashSettings } from './reconcile/crashes.ts'
import { createReconciler } from './reconcile/reconciler.ts'
import { createRelay, type Relay, turnInputCapability } from './relay/relay.ts'
import { turnFilesCapability } from './relay/turn-files.ts'
import { createDockerRuntime } from './runtime/docker/docker.ts'
import { createFakeRuntime } from './runtime/fake/fake.ts'
import type { FakeFaults } from './runtime/fake/gateway.ts'
import { createProcessRuntime } from './runtime/process/process.ts'
import type { Runtime } from './runtime/runtime.ts'
import { channelService, createSpeech } from './speech/speech.ts'
import { createToolService } from './tools/mcp.ts'
import { createRemoteTools } from './tools/remote-tools.ts'
import { agentVersion } from './version.ts'

export interface AgentOptions {
  log?: Logger
  /** What the fake runtime's assistants do wrong; may be changed while it runs. */
  faults?: FakeFaults
  /** Runs the assistants in place of what RUNTIME names; for tests and benches. */
  runtime?: Runtime
  backoff?: LinkDeps['backoff']
  /** Told whenever a session opens, and with undefined when it is over. */
  onSession?: (session: { certificateSerial: string } | undefined) => void
  crashes?: CrashSettings
  /** How often the assistants' use of disk is measured. */
  diskIntervalMs?: number
}

export interface Agent {
  /** On 127.0.0.1; absent without AGENT_METRICS_PORT. */
  metricsPort: number | undefined
  /** Ends it: running turns get `drainMs` (default 25 s) to finish and hand over. */
  stop(drainMs?: number): Promise<void>
}

/** Starts everything in the order it depends on each other, and returns once the link is being kept. */
export async function startAgent(env: AgentEnv, options: AgentOptions = {}): Promise<Agent> {
  const log = options.log ?? pino({ level: env.LOG_LEVEL })
  const stopping = new AbortController()

  let identity = await enrollPatiently(env, log)
  const journal = openJournal(join(env.STATE_DIR, 'journal.sqlite'))
  const keys = createKeyRing()
  const metrics = createMetrics()
  const endpoint = env.OTEL_EXPORTER_OTLP_ENDPOINT
  const tracing = await openTracing({ endpoint, service: 'yourclaw-host-agent', instance: env.HOST_NAME })
  const watch = createWatch({ metrics, tracing })
  const metering = createMetering({ path: join(env.STATE_DIR, 'usage.sqlite') })
  let running: Relay['running'] = () => undefined
  const speech = createSpeech({
    dir: join(env.STATE_DIR, 'speech'),
    running: (assistantId) => running(assistantId),
    watch,
    log,
  })
  const tools = createRemoteTools()
  const modelGateway = await startModelGateway({
    services: new Map([
      ['tools', createToolService({ tools, log })],
      [channelService, speech.post],
    ]),
    metering,
    keys,
    env,
    watch,
    log,
    portPath: join(env.STATE_DIR, 'model-gateway-port'),
  })
  const runtime = options.runtime ?? createRuntime(env, modelGateway, options.faults, log)

  const reconciler = createReconciler({
    runtime,
    maxAssistants: env.MAX_ASSISTANTS,
    keys,
    allowFirst: metering.ledger.allowFirst,
    log,
    disk: { maxBytes: env.ASSISTANT_DISK_MB * 2 ** 20, intervalMs: options.diskIntervalMs ?? 60_000 },
    ...(options.crashes && { crashes: options.crashes }),
  })
  let disconnect = () => {}
  const filesDir = join(env.STATE_DIR, 'turn-files')
  await rm(filesDir, { recursive: true, force: true })
  const relay = createRelay({
    journal,
    target: reconciler.target,
    conversation: reconciler.conversation,
    placeFile: reconciler.placeFile,
    filesDir,
    watch: watch.turn,
    modelFailure: metering.lastFailure,
    log,
  })
  running = relay.running
  const operations = await createOperations({
    archive: reconciler.archive,
    dir: join(env.STATE_DIR, 'operations'),
    log,
  })
  registerGauges(metrics.registry, {
    observed: reconciler.observed,
    held: relay.held,
    messagesWaiting: speech.waiting,
  })
  const metricsServer = await serveFigures(env, metrics)
  const capacity = () =>
    readCapacity({
      maxAssistants: env.MAX_ASSISTANTS,
      currentAssistants: reconciler.observed().length,
      heldOrphans: reconciler.heldStrays(),
      dataDir: env.ASSISTANT_DATA_DIR,
    })

  const link = keepLink(
    {
      async identity() {
        identity = await ensureIdentity(env)
        return identity
      },
      async renew(client) {
        await saveIdentity(
          env.STATE_DIR,
          await renew(client, identity, env.HOST_NAME, env.CONTROL_PLANE_CA_PIN),
        )
      },
      hello: () => ({
        agentVersion,
        protocolVersions: [1],
        capabilities: [operationsCapability, turnInputCapability, turnFilesCapability],
        runtime: runtime.name,
        ip: hostAddress(),
        capacity: capacity(),
        observed: reconciler.observed(),
        heldTurns: relay.held(),
      }),
      capacity,
      connected(session, send) {
        speech.connect(session)
        const ends = [
          tools.connect(session.client),
          reconciler.connect((observed) => send({ $case: 'observed', observed })),
          metering.connect({
            report: (usageReport) => send({ $case: 'usageReport', usageReport }),
            keyRefused: (keyRefused) => send({ $case: 'keyRefused', keyRefused }),
          }),
        ]
        disconnect = () => {
          for (const end of ends) end()
        }
        metrics.linkUp.set(1)
        options.onSession?.({ certificateSerial: new X509Certificate(identity.certificatePem).serialNumber })
      },
      disconnected() {
        disconnect()
        metrics.linkUp.set(0)
        options.onSession?.(undefined)
      },
      message(body, session) {
        switch (body.$case) {
          case 'snapshot':
            return reconciler.snapshot(
              body.snapshot.assistants,
              body.snapshot.sharedKeys,
              body.snapshot.removeOrphans,
            )
          case 'delta':
            return reconciler.delta(body.delta.assistants)
          case 'spending':
            return metering.spending(body.spending)
          case 'startTurn':
            return relay.startTurn(body.startTurn, session)
          case 'cancelTurn':
            speech.stopped(body.cancelTurn.turnId)
            return relay.cancelTurn(body.cancelTurn)
          case 'startOperation':
            return operations.start(body.startOperation, session)
        }
      },
      log,
      ...(options.backoff && { backoff: options.backoff }),
    },
    stopping.signal,
  )

  return {
    metricsPort: metricsServer?.port,
    async stop(drainMs = 25_000) {
      await relay.drain(drainMs)
      stopping.abort()
      await link
      operations.stop()
      // Together: a start that is under way ends with its process.
      await Promise.all([reconciler.stop(), runtime.close()])
      await runtime.close()
      await modelGateway.close()
      metering.close()
      speech.close()
      journal.close()
      await metricsServer?.close()
      await tracing.close()
    },
  }
}

/** Loopback is not a setting here: a host listens for nobody outside (S4). */
async function serveFigures({ AGENT_METRICS_PORT: port }: AgentEnv, { registry }: Metrics) {
  if (port === undefined) return undefined
  collectDefaultMetrics({ register: registry })
  return serveMetrics({ registry, address: '127.0.0.1', port })
}

/** The control plane may start after its hosts: unreachable is waited for, refused is not. */
async function enrollPatiently(env: AgentEnv, log: Logger): Promise<Identity> {
  const backoff = createBackoff({ baseMs: 1_000, maxMs: 15_000 })
  for (;;) {
    try {
      return await ensureIdentity(env)
    } catch (error) {
      if (!(error instanceof AgentError) || !error.retryable) throw error
      log.warn({ code: error.code, detail: error.detail }, 'not enrolled yet')
      await pause(backoff.nextMs(), new AbortController().signal)
    }
  }
}

function createRuntime(
  env: AgentEnv,
  modelGateway: ModelGateway,
  faults: FakeFaults | undefined,
  log: Logger,
): Runtime {
  const dataDir = env.ASSISTANT_DATA_DIR
  const modelGatewayUrl = modelGateway.url
  switch (env.RUNTIME) {
    case 'docker':
      return createDockerRuntime({
        dataDir,
        image: env.ASSISTANT_IMAGE,
        tenantSubnet: env.TENANT_SUBNET,
        modelGateway,
        log,
      })
    case 'fake':
      return createFakeRuntime({ dataDir, modelGatewayUrl, ...(faults && { faults }) })
    case 'process':
      return createProcessRuntime({ dataDir, modelGatewayUrl, progress: (line) => log.info(line) })
  }
}

/** The first address that is not loopback; shown to operators only. */
function hostAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find((address) => !address.internal && address.family === 'IPv4')?.address ?? '127.0.0.1'
}
