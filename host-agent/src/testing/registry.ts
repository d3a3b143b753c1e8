import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** Of both, and of lists of them. */
const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'

const unknown = Buffer.from('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/**
 * An image registry in memory, as much of it as an engine's push and pull need
 * (https://github.com/opencontainers/distribution-spec/blob/main/spec.md). An engine trusts one on loopback without TLS.
 */
export async function startRegistry() {
  const blobs = new Map<string, Buffer>()
  const manifests = new Map<string, Buffer>()
  const uploads = new Map<string, Buffer>()

  async function answer(request: IncomingMessage): Promise<[number, Record<string, string>, Buffer?]> {
    const url = new URL(request.url ?? '', 'http://registry')
    if (url.pathname === '/v2/') return [200, {}]
    const [, name = '', kind = '', rest = ''] =
      /^\/v2\/(.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? []
    const body = await buffer(request)
    if (kind === 'manifests' && request.method === 'PUT') {
      const digest = digestOf(body)
      manifests.set(digest, body).set(rest, body)
      return [201, { 'docker-content-digest': digest }]
    }
    if (kind === 'blobs' && rest.startsWith('uploads/')) return upload(request, url, name, body)
    const found = (kind === 'manifests' ? manifests : blobs).get(rest)
    if (!found) return [404, { 'content-type': 'application/json' }, unknown]
    const type = kind === 'manifests' ? manifestType : 'application/octet-stream'
    const about = { 'content-type': type, 'docker-content-digest': digestOf(found) }
    return [200, { ...about, 'content-length': String(found.length) }, found]
  }

  function upload(
    { method }: IncomingMessage,
    url: URL,
    name: string,
    body: Buffer,
  ): [number, Record<string, string>] {
    const id = method === 'POST' ? randomUUID() : (url.pathname.split('/').at(-1) ?? '')
    const whole = Buffer.concat([uploads.get(id) ?? Buffer.alloc(0), body])
    const digest = url.searchParams.get('digest')
    if (method === 'PUT' && digest !== null) {
      blobs.set(digest, whole)
      return [201, { 'docker-content-digest': digest }]
    }
    uploads.set(id, whole)
    return [202, { location: `/v2/${name}/blobs/uploads/${id}`, range: `0-${Math.max(0, whole.length - 1)}` }]
  }

  const server = createServer(async (request, response) => {
    const [status, headers, body] = await answer(request)
    response.writeHead(status, headers)
    response.end(request.method === 'HEAD' ? undefined : body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    /** Goes before an image's name. */
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close(): void {
      server.closeAllConnections()
      server.close()
    },
  }
}
