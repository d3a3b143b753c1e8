import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AssistantSpec } from '@yourclaw/proto/host/v1'
import { channelPath } from '../../speech/speech.ts'
import { sessionKey } from '../session-key.ts'
import { offeredModels } from './models.ts'

/** Where one assistant's files are. */
export interface Places {
  /** Its HOME: config, memory and logs, all below .openclaw. */
  home: string
  /** Where its tools work. */
  workspace: string
}

export const configPath = (places: Places) => join(places.home, '.openclaw', 'openclaw.json')

/** What the pinned version prints when an edited config took effect; see its docs, gateway/configuration. */
export const reloaded = /config (hot reload applied|change applied)/i

/** Tools that steer OpenClaw itself, need a screen, or only make every request longer. */
const deniedTools = [
  'browser',
  'canvas',
  'nodes',
  'mobile_ui',
  'computer',
  'dashboard',
  'terminal',
  'portal',
  'theme',
  'gateway',
  'openclaw',
  'plugins',
  'secrets',
  'ask_user',
  'progress_card',
  'agents_list',
  'agents_wait',
  'conversations_list',
  'conversations_send',
  'conversations_turn',
  'sessions',
  'sessions_list',
  'sessions_history',
  'sessions_search',
  'sessions_send',
  'sessions_spawn',
  'sessions_yield',
  'subagents',
  'skill_workshop',
  'create_goal',
  'get_goal',
  'update_goal',
  'github_identity_status',
  'tts',
  'intent',
]

/** Where a gateway listens, and where it finds its models. */
export interface Reach {
  port: number
  bind: 'loopback' | 'lan'
  modelGatewayUrl: string
  /** Whether the image's browser tool is there. */
  browser: boolean
  /** Where the plugin of our channel (host-agent/openclaw/channel) lies. */
  channelPlugin: string
  /** Where the web search plugin (host-agent/openclaw/web-search) lies. */
  webSearchPlugin: string
}

const channel = 'yourclaw'
const webSearch = 'yourclaw-web-search'

/** What is paid for is what is sent: longer windows are not used to their end. */
const maxContextTokens = 200_000
/** A person may be asked meanwhile; the agent gives up sooner. */
const toolCallMs = 90_000
/** Each session has a browser of its own, which is ended when nobody uses it. */
const mcpIdleMs = 10 * 60_000

/** The config of the pinned version, which refuses unknown keys. Holds the virtual key, never a provider's. */
export function renderConfig(spec: AssistantSpec, places: Places, reach: Reach) {
  const provider = (name: 'anthropic' | 'openai' | 'google', path: string, api: string) => ({
    baseUrl: reach.modelGatewayUrl + path,
    api,
    apiKey: spec.virtualKey,
    models: offeredModels
      .filter((model) => model.provider === name)
      .map(({ provider: _, ...model }) => ({
        ...model,
        contextTokens: Math.min(model.contextWindow, maxContextTokens),
        input: ['text', 'image'],
      })),
  })
  return {
    gateway: {
      mode: 'local',
      port: reach.port,
      bind: reach.bind,
      auth: { mode: 'token', token: spec.gatewayToken },
      controlUi: { enabled: false },
      http: { endpoints: { chatCompletions: { enabled: true } } },
    },
    models: {
      catalogRefresh: { enabled: false },
      providers: {
        anthropic: provider('anthropic', '/anthropic', 'anthropic-messages'),
        openai: provider('openai', '/openai/v1', 'openai-responses'),
        google: provider('google', '/google/v1beta', 'google-generative-ai'),
      },
    },
    agents: {
      defaults: {
        workspace: places.workspace,
        model: { primary: spec.model, ...(spec.fallbackModel && { fallbacks: [spec.fallbackModel] }) },
        thinkingDefault: 'low',
        blockStreamingDefault: 'on',
        compaction: { memoryFlush: { enabled: true } },
        // Nothing may spend tokens unasked.
        heartbeat: { every: '0m' },
        skipBootstrap: true,
        utilityModel: '',
      },
    },
    memory: { search: { enabled: false } },
    plugins: {
      allow: ['anthropic', 'openai', 'google', 'memory-core', channel, webSearch],
      load: { paths: [reach.channelPlugin, reach.webSearchPlugin] },
      entries: {
        'memory-core': { config: { dreaming: { enabled: false } } },
        [channel]: { enabled: true },
        [webSearch]: {
          enabled: true,
          config: { webSearch: { baseUrl: `${reach.modelGatewayUrl}/brave`, apiKey: spec.virtualKey } },
        },
      },
    },
    channels: {
      [channel]: {
        enabled: true,
        url: `${reach.modelGatewayUrl}${channelPath}`,
        token: spec.virtualKey,
        session: sessionKey(spec.assistantId, 0),
        workspace: places.workspace,
        allowFrom: [spec.userId],
      },
    },
    update: { checkOnStart: false },
    discovery: { mdns: { mode: 'off' } },
    browser: { enabled: false },
    tools: {
      profile: 'full',
      deny: deniedTools,
      web: { fetch: { enabled: true }, search: { enabled: true, provider: 'yourclaw' } },
      media: { image: { enabled: true } },
    },
    mcp: {
      sessionIdleTtlMs: mcpIdleMs,
      servers: {
        ...(reach.browser && { playwright: { command: 'playwright-mcp' } }),
        ...(spec.toolsVersion && { google: googleServer(spec, reach) }),
      },
    },
    // Restarts are the agent's.
    commands: { restart: false },
    skills: { allowBundled: [] },
    logging: { file: join(places.home, '.openclaw', 'logs', 'gateway.log') },
  }
}

/** What the person connected at Google: tools of the control plane, which the agent serves where model calls go. */
function googleServer({ toolsVersion, virtualKey }: AssistantSpec, { modelGatewayUrl }: Reach) {
  // A list of tools that changed is another address, so that OpenClaw asks for it again.
  const version = createHash('sha256').update(toolsVersion).digest('hex').slice(0, 12)
  return {
    url: `${modelGatewayUrl}/tools?version=${version}`,
    transport: 'streamable-http',
    headers: { authorization: `Bearer ${virtualKey}` },
    requestTimeoutMs: toolCallMs,
    supportsParallelToolCalls: true,
  }
}

/** Replaces the config in one step, since the gateway reads it whenever it changes; false when it is as it was. */
export async function writeConfig(path: string, config: object, mode = 0o600): Promise<boolean> {
  const text = `${JSON.stringify(config, null, 2)}\n`
  if ((await readFile(path, 'utf8').catch(() => '')) === text) return false
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(`${path}.new`, text, { mode })
  // Whatever umask the agent has.
  await chmod(`${path}.new`, mode)
  await rename(`${path}.new`, path)
  return true
}
