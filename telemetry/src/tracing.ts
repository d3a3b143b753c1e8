import { traceParentFrom } from './trace-context.ts'

/**
 * Spans, with the parent handed over as a W3C traceparent: our traces cross processes, tables and waits of hours, so
 * there is no ambient context to get lost. Attributes hold ids, names and codes, never what a person wrote or a
 * secret (S8).
 */
export interface Tracing {
  start(name: string, options?: SpanOptions): Span
  /** Exports what is left, for at most three seconds. */
  close(): Promise<void>
}

export interface SpanOptions {
  /** W3C traceparent; absent or malformed = a new trace begins. */
  parent?: string | null | undefined
  kind?: 'server' | 'client' | 'internal'
  attributes?: Attributes
  /** Milliseconds since the epoch; now when absent. */
  startedAtMs?: number
}

export interface Span {
  /** What the children of this span get as their parent. */
  readonly traceParent: string
  /**
   * Once. `errorCode` marks the span as failed: a stable code, no sentence. `name` replaces the one it began with.
   */
  end(result?: { name?: string; errorCode?: string; attributes?: Attributes }): void
}

export type Attributes = Record<string, string | number | boolean>

/** Carries traces on and exports nothing. */
export const tracingOff: Tracing = {
  start: (_name, options) => ({ traceParent: traceParentFrom(options?.parent), end() {} }),
  close: async () => {},
}

/**
 * Exports to `{endpoint}/v1/traces` by OTLP over HTTP; without an endpoint the exporter is not even loaded.
 * `service` is what the process is called in the collector, `instance` which one of them it is.
 */
export async function openTracing(input: {
  endpoint: string | undefined
  service: string
  instance: string
}): Promise<Tracing> {
  if (input.endpoint === undefined) return tracingOff
  const { openExport } = await import('./otlp.ts')
  return openExport({ ...input, endpoint: input.endpoint })
}
