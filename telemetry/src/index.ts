/** What every process reports about itself: log lines, spans to a collector, figures to Prometheus. Nothing here is global. */
export { logLines } from './log-lines.ts'
export { type MetricsServer, serveMetrics } from './metrics-server.ts'
export { traceIdOf, traceParentFrom } from './trace-context.ts'
export { openTracing, type Span, type SpanOptions, type Tracing, tracingOff } from './tracing.ts'
export { withoutSecrets } from './without-secrets.ts'
