import { isSpanContextValid, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Tracing } from './tracing.ts'

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }
const exportEveryMs = 1_000
const exportTimeoutMs = 10_000
/** A collector that is down must not hold up a shutdown. */
const closeDeadlineMs = 3_000

/** See openTracing. A collector that does not answer costs spans, never a turn. */
export function openExport(input: { endpoint: string; service: string; instance: string }): Tracing {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': input.service,
      'service.namespace': 'yourclaw',
      'service.instance.id': input.instance,
    }),
    // Who calls us may ask for its trace not to be recorded.
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({ url: `${input.endpoint.replace(/\/+$/, '')}/v1/traces` }),
        scheduledDelayMillis: exportEveryMs,
        exportTimeoutMillis: exportTimeoutMs,
      }),
    ],
  })
  const tracer = provider.getTracer('yourclaw')
  return {
    start(name, { parent, kind = 'internal', attributes = {}, startedAtMs } = {}) {
      const options = {
        kind: kinds[kind],
        attributes,
        ...(startedAtMs !== undefined && { startTime: startedAtMs }),
      }
      const span = tracer.startSpan(name, options, contextOf(parent))
      const { traceId, spanId, traceFlags } = span.spanContext()
      return {
        traceParent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
        end({ name: better, errorCode, attributes: more = {} } = {}) {
          if (better !== undefined) span.updateName(better)
          span.setAttributes(more)
          if (errorCode !== undefined) {
            span.setAttribute('error.type', errorCode)
            span.setStatus({ code: SpanStatusCode.ERROR })
          }
          span.end()
        },
      }
    },
    async close() {
      const passed = Promise.withResolvers<void>()
      const deadline = setTimeout(passed.resolve, closeDeadlineMs)
      await Promise.race([provider.shutdown().catch(() => {}), passed.promise])
      clearTimeout(deadline)
    },
  }
}

function contextOf(parent: string | null | undefined) {
  const [, traceId = '', spanId = '', flags = '0'] = parent?.split('-') ?? []
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(context) ? trace.setSpanContext(ROOT_CONTEXT, context) : ROOT_CONTEXT
}
