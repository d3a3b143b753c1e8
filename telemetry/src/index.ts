/** What every process reports about itself: spans to a collector, figures to Prometheus. Nothing here is global. */
export { type MetricsServer, serveMetrics } from './metrics-server.ts'
export { traceIdOf, traceParentFrom } from './trace-context.ts'
export { openTracing, type Span, type SpanOptions, type Tracing, tracingOff } from './tracing.ts'
