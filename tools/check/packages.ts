/** The packages the design rests on: each is used by the code. */
const required = [
  'hono',
  '@hono/node-server',
  'prisma',
  'stripe',
  'twilio',
  'grammy',
  'dockerode',
  '@grpc/grpc-js',
  'ts-proto',
  'jose',
  'svelte',
  '@sveltejs/kit',
  'tailwindcss',
  'vitest',
]

/** Those that nothing uses. `sources` are the texts of all files that can: code, styles and generator settings. */
export function unusedPackages(sources: string[]): string[] {
  return required.filter((name) => !sources.some((source) => uses(source, name)))
}

function uses(source: string, name: string): boolean {
  // ts-proto is a plug-in of the proto generator and never imported.
  if (name === 'ts-proto' && source.includes('ts_proto')) return true
  const quoted = name.replaceAll('/', '\\/')
  return new RegExp(`(?:from|import|import\\()\\s*['"]${quoted}(?:/[^'"]*)?['"]`).test(source)
}
