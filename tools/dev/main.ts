/** Starts everything YourClaw needs on one machine, and stops it again: see README.md. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { removeAssistants } from '../../host-agent/src/runtime/docker/removal.ts'
import { startEmbeddedPostgres } from '../../prisma/src/embedded.ts'
import { type DevArgs, parseDevArgs, usage } from './args.ts'
import {
  type Addresses,
  agent,
  agentDefaults,
  assistantsDir,
  controlPlane,
  type Development,
  mintJoinToken,
  sandbox,
  web,
} from './children.ts'
import { lockDataDir } from './lock.ts'
import { assertFree, type Ports, portsFrom } from './ports.ts'
import { createSupervisor } from './supervisor.ts'
import { table } from './table.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const print = (line: string): void => console.log(line)

function readArgs(): DevArgs {
  try {
    return parseDevArgs(process.argv.slice(2), root)
  } catch (error) {
    console.error(`${messageOf(error)}\n${usage}`)
    process.exit(2)
  }
}

async function main(): Promise<number> {
  const args = readArgs()
  const supervisor = createSupervisor({ print })
  const stopRequested = new Promise<void>((resolve) => {
    // Terminals, npm and we often send the same signal twice; a closed terminal sends SIGHUP or breaks our output.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => resolve())
  })

  let stopDatabase = async (): Promise<void> => undefined
  let stopping = false
  let letGo = (): void => undefined
  const hold = async () => {
    letGo = lockDataDir(args.dataDir)
    return start(args, supervisor.start, (stop) => {
      stopDatabase = stop
    })
  }
  const starting = hold().catch(async (error: unknown) => {
    // A start that was interrupted fails, too; that is no news.
    if (!stopping) console.error(`\nCould not start: ${messageOf(error)}`)
    return 'failed' as const
  })
  const failed = starting.then((outcome) =>
    outcome === 'failed' ? outcome : new Promise<never>(() => undefined),
  )
  const why = await Promise.race([stopRequested.then(() => 'asked' as const), failed])

  stopping = true
  print('stopping …')
  await supervisor.stop()
  // Containers outlive their agent, so that it can be replaced; here nothing is to be left.
  if (args.runtime === 'docker') await removeAssistants(assistantsDir(args.dataDir)).catch(report)
  // The database may still be on its way up; only then can it be stopped.
  await starting
  await stopDatabase()
  letGo()
  print('stopped')
  return why === 'failed' ? 1 : 0
}

async function start(
  args: DevArgs,
  startChild: ReturnType<typeof createSupervisor>['start'],
  onDatabase: (stop: () => Promise<void>) => void,
): Promise<'ready'> {
  const { PORT: _, ...environment } = process.env
  const ports = portsInUse(args, environment)
  const given = environment.DATABASE_URL
  const { postgres, ...others } = ports
  // PostgreSQL's own start knows better: a server that a killed run left behind is taken over.
  await assertFree(others)

  let databaseUrl = given
  if (databaseUrl === undefined) {
    print('starting PostgreSQL …')
    const database = await keepDatabase({ dataDir: join(args.dataDir, 'postgres'), port: ports.postgres })
    onDatabase(database.stop)
    databaseUrl = database.url
  }
  const dev: Development = { root, args, ports, environment, addresses: addressesOf(ports, databaseUrl) }
  for (const child of [sandbox(dev), controlPlane(dev), agent(dev), web(dev)]) {
    print(`starting ${child.name} …`)
    await startChild(child)
  }
  print(await welcome(dev))
  print(`ready: open ${dev.addresses.web}, or the phone at ${dev.addresses.sandbox}`)
  return 'ready'
}

/** The database, started again when it dies. */
async function keepDatabase(options: { dataDir: string; port: number }) {
  let stopping = false
  let database = await startEmbeddedPostgres(options)
  const keep = async (): Promise<void> => {
    while (!stopping) {
      await database.ended
      if (stopping) return
      print('PostgreSQL died; it is started again')
      database = await startEmbeddedPostgres(options)
    }
  }
  const kept = keep().catch((error: unknown) => print(`PostgreSQL does not start: ${messageOf(error)}`))
  return {
    url: database.url,
    async stop() {
      stopping = true
      await database.stop()
      await kept
    },
  }
}

function portsInUse(args: DevArgs, environment: NodeJS.ProcessEnv): Ports {
  const ports = portsFrom(args.portBase)
  if (environment.GRPC_PORT === undefined) return ports
  const grpc = Number(environment.GRPC_PORT)
  if (!Number.isInteger(grpc) || grpc < 1 || grpc > 65_535) {
    throw new Error('GRPC_PORT is not a port (1 to 65535)')
  }
  return { ...ports, grpc }
}

function addressesOf(ports: Ports, databaseUrl: string): Addresses {
  return {
    web: `http://localhost:${ports.web}`,
    api: `http://localhost:${ports.controlPlane}`,
    grpc: `localhost:${ports.grpc}`,
    sandbox: `http://localhost:${ports.sandbox}`,
    databaseUrl,
  }
}

async function welcome(dev: Development): Promise<string> {
  const { addresses, args } = dev
  const second = join(args.dataDir, 'second-host')
  const settings = {
    ...agentDefaults(dev),
    HOST_NAME: 'second-host',
    STATE_DIR: join(second, 'agent'),
    ASSISTANT_DATA_DIR: join(second, 'assistants'),
    JOIN_TOKEN: await mintJoinToken(dev),
  }
  const assignments = Object.entries(settings).map(([name, value]) => `${name}='${value}'`)
  return `
${table([
  ['web', addresses.web],
  ['status page', `${addresses.web}/status`],
  ['API, to read and try', `${addresses.api}/api/v1/docs`],
  ['health', `${addresses.api}/health/ready`],
  ['host gRPC', addresses.grpc],
  ['phone (sandbox)', addresses.sandbox],
  ['PostgreSQL', addresses.databaseUrl],
  ['data', args.dataDir],
])}

Somebody new, and what Ada writes without the phone's page (docs/sandbox.md has the rest):
  curl -d '{"name": "Nora"}' ${addresses.sandbox}/sim/people
  curl -d '{"text": "Hello"}' ${addresses.sandbox}/sim/telegram/1001/messages
  curl -d '{"body": "Hello"}' ${addresses.sandbox}/sim/whatsapp/whatsapp:+15550001/messages

A second host joins with this, in another terminal (once, within the hour):
  cd ${dev.root} && env \\
  ${assignments.join(' \\\n  ')} \\
  npx -y pnpm@12.21.0 --filter @yourclaw/host-agent start
`
}

function report(error: unknown): void {
  console.error(messageOf(error))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

process.exitCode = await main()
