/** The packages the design rests on: each is used by the code, or named here as still to come. */
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
const pending = new Set(['stripe'])

export interface PackageUse {
  name: string
  state: 'used' | 'pending' | 'missing'
}

/** `sources` are the texts of all files that can use a package: code, styles and generator settings. */
export function packageUses(sources: string[]): PackageUse[] {
  return required.map((name) => {
    const used = sources.some((source) => uses(source, name))
    return { name, state: used ? 'used' : pending.has(name) ? 'pending' : 'missing' }
  })
}

function uses(source: string, name: string): boolean {
  // ts-proto is a plug-in of the proto generator and never imported.
  if (name === 'ts-proto' && source.includes('ts_proto')) return true
  const quoted = name.replaceAll('/', '\\/')
  return new RegExp(`(?:from|import|import\\()\\s*['"]${quoted}(?:/[^'"]*)?['"]`).test(source)
}
