/**
 * What runs in development, in the order it starts: each knows its program, its environment and when it is up.
 * A setting that is already in the environment wins over the default given here. PORT is the exception: three
 * programs read it, so it comes from --port-base alone.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { DevArgs } from './args.ts'
import { forgetOtherAddress, isEnrolled } from './identity.ts'
import type { Ports } from './ports.ts'
import type { ChildSpec } from './supervisor.ts'

export interface Addresses {
  web: string
  api: string
  grpc: string
  sandbox: string
  databaseUrl: string
}

export interface Development {
  root: string
  args: DevArgs
  ports: Ports
  addresses: Addresses
  /** The environment this program was started with. */
  environment: NodeJS.ProcessEnv
}

/** The sandbox and the control plane's deep links must name the same bot. */
const botUsername = 'yourclaw_dev_bot'

export function sandbox(dev: Development): ChildSpec {
  return {
    name: 'sandbox',
    ...nodeProgram(dev, 'sandbox/src/main.ts'),
    env: async () => ({
      ...withDefaults(dev, { TELEGRAM_BOT_USERNAME: botUsername }),
      PORT: String(dev.ports.sandbox),
      SANDBOX_STATE_FILE: join(dev.args.dataDir, 'sandbox.state'),
    }),
    isHealthy: () => answers(`${dev.addresses.sandbox}/sim/people`),
  }
}

export function controlPlane(dev: Development): ChildSpec {
  return {
    name: 'control-plane',
    ...nodeProgram(dev, 'control-plane/src/main.ts'),
    env: async () => controlPlaneEnv(dev),
    isHealthy: () => answers(`${dev.addresses.api}/health`),
  }
}

export function agent(dev: Development): ChildSpec {
  const stateDir = dev.environment.STATE_DIR ?? join(dev.args.dataDir, 'agent')
  return {
    name: 'agent',
    ...nodeProgram(dev, 'host-agent/src/main.ts'),
    env: async () => {
      forgetOtherAddress(stateDir, dev.environment.GRPC_PUBLIC_ADDRESS ?? dev.addresses.grpc)
      const env = withDefaults(dev, {
        ...agentDefaults(dev),
        HOST_NAME: 'dev-host',
        LOG_LEVEL: 'warn',
        STATE_DIR: stateDir,
        ASSISTANT_DATA_DIR: assistantsDir(dev.args.dataDir),
      })
      // A token is single-use, so each attempt to enroll gets a fresh one; once enrolled, none is needed.
      if (env.JOIN_TOKEN === undefined && !isEnrolled(stateDir))
        env.JOIN_TOKEN = await mintJoinToken(dev, env.HOST_NAME)
      return env
    },
    isHealthy: async () => isEnrolled(stateDir) && (await hasHost(dev.addresses.api)),
  }
}

export function web(dev: Development): ChildSpec {
  return {
    name: 'web',
    command: process.execPath,
    args: ['node_modules/vite/bin/vite.js', 'dev', '--port', String(dev.ports.web), '--strictPort'],
    cwd: join(dev.root, 'web'),
    env: async () => withDefaults(dev, { API_URL: dev.addresses.api }),
    isHealthy: () => answers(dev.addresses.web),
  }
}

/** Where the first host keeps its assistants' state. */
export const assistantsDir = (dataDir: string) => join(dataDir, 'assistants')

/** What a host agent on this machine needs besides its name, its folders and its token. */
export function agentDefaults(dev: Development): Record<string, string> {
  const { api, sandbox } = dev.addresses
  return {
    CONTROL_PLANE_URL: api,
    RUNTIME: dev.args.runtime,
    ...modelProviders(sandbox),
  }
}

const modelProviders = (sandbox: string) => ({
  ANTHROPIC_BASE_URL: `${sandbox}/anthropic`,
  OPENAI_BASE_URL: `${sandbox}/openai`,
  GEMINI_BASE_URL: `${sandbox}/gemini`,
  BRAVE_BASE_URL: `${sandbox}/brave`,
})

/** A single-use token, good for an hour: for one more host, or for the host of that name, which may exist already. */
export async function mintJoinToken(dev: Development, hostName?: string): Promise<string> {
  const program = nodeProgram(dev, 'control-plane/src/cli/join-token.ts')
  const { stdout } = await promisify(execFile)(
    program.command,
    [...program.args, ...(hostName === undefined ? [] : [hostName])],
    {
      cwd: program.cwd,
      env: controlPlaneEnv(dev),
      timeout: 30_000,
    },
  )
  return stdout.trim()
}

function controlPlaneEnv(dev: Development): NodeJS.ProcessEnv {
  const { addresses, ports } = dev
  return {
    ...withDefaults(dev, {
      NODE_ENV: 'development',
      // A line a request would drown what matters here; LOG_LEVEL=info brings them back, the web's as well.
      LOG_LEVEL: 'warn',
      GRPC_PORT: String(ports.grpc),
      DATABASE_URL: addresses.databaseUrl,
      WEB_URL: addresses.web,
      API_URL: addresses.api,
      GRPC_PUBLIC_ADDRESS: addresses.grpc,
      // Whom `pnpm dev:user` makes by default: the operator API is theirs, and so are the alerts in the sandbox's inbox.
      OPERATOR_EMAILS: 'dev@example.test',
      BACKUP_STORE: pathToFileURL(join(dev.args.dataDir, 'store')).href,
      GOOGLE_ISSUER: `${addresses.sandbox}/google`,
      GOOGLE_API_BASE: `${addresses.sandbox}/google`,
      TELEGRAM_BOT_USERNAME: botUsername,
      TELEGRAM_API_ROOT: `${addresses.sandbox}/telegram`,
      TELEGRAM_LINK_ROOT: `${addresses.sandbox}/t.me`,
      TWILIO_API_BASE: `${addresses.sandbox}/twilio`,
      WHATSAPP_LINK_ROOT: `${addresses.sandbox}/wa.me`,
      TRANSCRIPTION_BASE_URL: `${addresses.sandbox}/openai/v1`,
      STRIPE_API_BASE: addresses.sandbox,
      RESEND_BASE_URL: `${addresses.sandbox}/resend`,
      ...modelProviders(dev.addresses.sandbox),
      SANDBOX_URL: addresses.sandbox,
      DEV_SEED: '1',
    }),
    PORT: String(ports.controlPlane),
  }
}

function withDefaults(dev: Development, defaults: Record<string, string>): NodeJS.ProcessEnv {
  return { ...defaults, ...dev.environment }
}

function nodeProgram(dev: Development, path: string): Pick<ChildSpec, 'command' | 'args' | 'cwd'> {
  return { command: process.execPath, args: [path], cwd: dev.root }
}

/** True once the control plane holds a session of a host; `ok` alone would say only that the database is there. */
async function hasHost(api: string): Promise<boolean> {
  try {
    const response = await fetch(`${api}/health/ready`, { signal: AbortSignal.timeout(5_000) })
    const report: { checks?: { hosts?: { ok?: boolean } } } = JSON.parse(await response.text())
    return report.checks?.hosts?.ok === true
  } catch {
    // Not there, or not yet able to say: not connected either way.
    return false
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    // Nobody listens yet: that is the answer.
    return false
  }
}
