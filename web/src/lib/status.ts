import * as z from 'zod/mini'

/** How often an open status page asks again. */
export const refreshIntervalMs = 5_000

/** The body of the API's `GET /health/ready`, the same with 200 and 503. */
const readiness = z.object({
  status: z.enum(['ready', 'degraded', 'down']),
  checks: z.record(z.string(), z.object({ ok: z.boolean(), detail: z.optional(z.string()) })),
})

/** What the status page shows and `/status.json` answers. `unreachable` is our finding, never the API's. */
const statusReport = z.object({
  state: z.enum(['ready', 'degraded', 'down', 'unreachable']),
  /** Why there is no report; only with `unreachable`. */
  reason: z.optional(z.string()),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.optional(z.string()) })),
  /** ISO 8601, UTC. */
  checkedAt: z.iso.datetime(),
})

export type StatusReport = z.infer<typeof statusReport>
export type StatusState = StatusReport['state']

export const unreachable = (reason: string, checkedAt: Date): StatusReport => ({
  state: 'unreachable',
  reason,
  checks: [],
  checkedAt: checkedAt.toISOString(),
})

/** Turns a readiness body into a report, failing checks first. Whatever is no such body is `unreachable`. */
export function parseReadiness(body: unknown, checkedAt: Date): StatusReport {
  const parsed = readiness.safeParse(body)
  if (!parsed.success) {
    return unreachable('Something answered, but not with a health report we understand.', checkedAt)
  }
  const checks = Object.entries(parsed.data.checks)
    .map(([name, check]) => ({ name, ...check }))
    .sort((a, b) => Number(a.ok) - Number(b.ok) || a.name.localeCompare(b.name, 'en'))
  return { state: parsed.data.status, checks, checkedAt: checkedAt.toISOString() }
}

/** Reads the answer of our own `/status.json`; undefined when it is not a report. */
export const parseReport = (body: unknown): StatusReport | undefined => statusReport.safeParse(body).data

/** Each state in words, so that colour and icon only repeat what is written. */
export const stateWords: Record<StatusState, { label: string; sentence: string }> = {
  ready: { label: 'Working', sentence: 'Everything we check is working.' },
  degraded: { label: 'Partly working', sentence: 'YourClaw is running, but something we check is failing.' },
  down: { label: 'Down', sentence: 'YourClaw is not able to do its work right now.' },
  unreachable: {
    label: 'No answer',
    sentence: 'We cannot tell how YourClaw is: its API gave no usable answer.',
  },
}

/** A check's key as a heading: `queue_age` and `queueAge` become `Queue age`. */
export function checkLabel(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/[_.\-\s]+/g, ' ')
    .trim()
    .toLowerCase()
  return words === '' ? name : words.charAt(0).toUpperCase() + words.slice(1)
}

/** Always UTC, so the server's page and the browser's agree on the text. */
export const clockTime = (iso: string): string => `${new Date(iso).toISOString().slice(11, 19)} UTC`
