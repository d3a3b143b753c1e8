import { z } from 'zod'
import { parseKeys } from './lib/vault.ts'

/** Development keys, good for nothing else: production refuses to start without its own. */
const developmentKeys = `dev:${Buffer.alloc(32, 'yourclaw-development').toString('base64')}`

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback)
const count = (fallback: number) => z.coerce.number().int().min(1).max(1_000_000).default(fallback)
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

const schema = (production: boolean) =>
  z.object({
    NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
    /** HTTP: API, webhooks, health. */
    PORT: port(8000),
    /** Mutual TLS for host agents. */
    GRPC_PORT: port(8443),
    /** Absent outside production: an embedded PostgreSQL in .data/. */
    DATABASE_URL: production ? z.url() : z.url().optional(),
    WEB_URL: production ? z.url() : z.url().default('http://localhost:3000'),
    /** Our own public address; webhooks are registered and signatures checked under it. */
    API_URL: production ? z.url() : z.url().default('http://localhost:8000'),
    /** host:port that agents are told at enrollment. */
    GRPC_PUBLIC_ADDRESS: production
      ? z.string().regex(/^[^:]+:\d+$/, 'must be host:port')
      : z.string().default('localhost:8443'),
    /** Signs our own bearer tokens and sessions; newest first, id:base64 of a 32-byte Ed25519 seed. */
    SESSION_SIGNING_KEYS: production ? keyRing : keyRing.default(developmentKeys),
    /** Seals secrets at rest; newest first, id:base64 of 32 bytes. */
    ENCRYPTION_KEYS: production ? keyRing : keyRing.default(developmentKeys),
    /** A Supabase project whose JWTs are accepted too. */
    SUPABASE_URL: z.url().optional(),
    TELEGRAM_BOT_TOKEN: secret(production, '1000:development'),
    TELEGRAM_BOT_USERNAME: secret(production, 'yourclaw_dev_bot'),
    /** Telegram allows letters, digits, _ and - only. */
    TELEGRAM_WEBHOOK_SECRET: production
      ? z.string().regex(/^[A-Za-z0-9_-]{16,256}$/, 'must be 16 to 256 letters, digits, _ or -')
      : z.string().default('development-secret'),
    TELEGRAM_API_ROOT: z
      .url()
      .default(production ? 'https://api.telegram.org' : 'http://localhost:4100/telegram'),
    ANTHROPIC_API_KEY: secret(production, 'sk-ant-development'),
    OPENAI_API_KEY: secret(production, 'sk-development'),
    GOOGLE_API_KEY: secret(production, 'google-development'),
    RATE_LIMIT_PER_DAY: count(100),
    RATE_LIMIT_PER_MINUTE: count(5),
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
  const parsed = schema(production).safeParse(given)
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
  return issue.code === 'invalid_type' && issue.input === undefined ? 'is missing' : issue.message
}
