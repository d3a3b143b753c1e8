import { createServer } from 'node:net'

export interface Ports {
  web: number
  controlPlane: number
  grpc: number
  sandbox: number
  postgres: number
}

export function portsFrom(base: number | undefined): Ports {
  if (base === undefined) {
    return { web: 3000, controlPlane: 8000, grpc: 8443, sandbox: 4100, postgres: 54_329 }
  }
  return { web: base, controlPlane: base + 1, grpc: base + 2, sandbox: base + 3, postgres: base + 4 }
}

/** Says which ports are taken before anything starts; a child's own EADDRINUSE is harder to read. */
export async function assertFree(ports: Partial<Ports>): Promise<void> {
  const taken: string[] = []
  for (const [name, port] of Object.entries(ports)) {
    if (!(await isFree(port))) taken.push(`${name} ${port}`)
  }
  if (taken.length > 0) {
    throw new Error(
      `These ports are taken: ${taken.join(', ')}. Free them, or choose others with --port-base N.`,
    )
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })
}
