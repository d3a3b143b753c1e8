import { readFile, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * Listens on loopback, on the port noted in `path` when it is free: what outlived the last agent still calls it, and a
 * run that goes on does not learn another address. Returns the port, and notes it.
 */
export async function listenAgain(server: Server, path?: string): Promise<number> {
  const noted = path === undefined ? 0 : Number(await readFile(path, 'utf8').catch(() => 0))
  if (Number.isInteger(noted) && noted > 0 && noted < 65_536) {
    await listen(server, noted).catch(() => listen(server, 0))
  } else {
    await listen(server, 0)
  }
  const { port } = server.address() as AddressInfo
  if (path !== undefined && port !== noted) await writeFile(path, String(port), { mode: 0o600 })
  return port
}

export function listen(server: Server, port: number, address = '127.0.0.1'): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
