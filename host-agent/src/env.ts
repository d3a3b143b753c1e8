import { hostname } from 'node:os'
import { z } from 'zod'

const url = z.url({ protocol: /^https?$/ }).transform((value) => value.replace(/\/+$/, ''))
/** An empty variable means the same as an absent one: compose files and systemd cannot leave one out. */
const optional = <T extends z.ZodType>(schema: T) => schema.optional()

const schema = z.object({
  /** Base URL of the control plane's HTTP API; used for enrollment only. */
  CONTROL_PLANE_URL: url,
  /** Single-use token of an operator; needed until this host has an identity. */
  JOIN_TOKEN: optional(z.string()),
  /** The same in a file, so that it does not show in the process list or the unit file. */
  JOIN_TOKEN_FILE: optional(z.string()),
  /** Refuses any other authority at enrollment: sha256: and the hex digest of the CA's SPKI. */
  CONTROL_PLANE_CA_PIN: optional(
    z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hex digits'),
  ),
  /** Identity and journal; readable by the agent alone. */
  STATE_DIR: z.string().default('/var/lib/yourclaw-agent'),
  /** Where each tenant network gets its /28 from. */
  TENANT_SUBNET: z.cidrv4().default('10.201.0.0/16'),
  /** What runs the assistants. */
  RUNTIME: z.enum(['docker', 'process', 'fake'], 'must be docker, process or fake'),
  ASSISTANT_IMAGE: z.string().default('yourclaw-openclaw:latest'),
  /** Each assistant's state lies at {user_id}/config and {user_id}/workspace below it. */
  ASSISTANT_DATA_DIR: z.string().default('/data/yourclaw'),
  /** What the files of one assistant may take up: measured every minute, told at 80 %, stopped at 100 %. */
  ASSISTANT_DISK_MB: z.coerce.number().int().min(1).default(10_240),
  MAX_ASSISTANTS: z.coerce.number().int().min(1).max(10_000).default(20),
  ANTHROPIC_BASE_URL: url.default('https://api.anthropic.com'),
  OPENAI_BASE_URL: url.default('https://api.openai.com'),
  GEMINI_BASE_URL: url.default('https://generativelanguage.googleapis.com'),
  BRAVE_BASE_URL: url.default('https://api.search.brave.com'),
  /** A SearXNG of your own, asked for web searches while there is no BRAVE_API_KEY; absent = there are none then. */
  SEARXNG_URL: optional(url),
  /** How operators see this host. */
  HOST_NAME: z.string().default(hostname()),
  /** Where the agent's own /metrics is served, on 127.0.0.1 alone (S4); absent = nowhere. */
  AGENT_METRICS_PORT: optional(z.coerce.number().int().min(0).max(65_535)),
  /** An OTLP collector over HTTP; absent = spans are not even made. */
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(url),
  /** Set by systemd for services of Type=notify: where to tell it how we are, and how often at least. */
  NOTIFY_SOCKET: optional(z.string()),
  WATCHDOG_USEC: optional(z.coerce.number().int().positive()),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
})

export type AgentEnv = z.infer<typeof schema>

/** Reads all settings; throws one error that names every bad one, so that an operator fixes them in one go. */
export function readEnv(source: Record<string, string | undefined>): AgentEnv {
  const present = Object.fromEntries(
    Object.entries(source).filter(([, value]) => value !== '' && value !== undefined),
  )
  const mocked = present.MOCK_CONTAINERS === 'true' || present.MOCK_CONTAINERS === '1'
  const production = present.NODE_ENV === 'production'
  const problems = mocked && production ? ['MOCK_CONTAINERS: not in production'] : []
  const parsed = schema.safeParse(mocked && !production ? { ...present, RUNTIME: 'fake' } : present)
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`))
  }
  if (problems.length > 0 || !parsed.success) throw new Error(`Bad settings:\n  ${problems.join('\n  ')}`)
  return parsed.data
}
