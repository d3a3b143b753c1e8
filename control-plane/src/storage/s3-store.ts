import { openAsBlob } from 'node:fs'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { AwsClient } from 'aws4fetch'
import { type Store, StoredFileMissing } from './store.ts'

export interface S3Credentials {
  accessKeyId: string | undefined
  secretAccessKey: string | undefined
}

/** Uploads of a large file over a slow line; what hangs longer is given up and tried again by its job. */
const timeoutMs = 15 * 60_000

/**
 * A bucket of anything that speaks S3, addressed by path. One PUT a file: up to 5 GB.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
export function createS3Store(url: string, { accessKeyId = '', secretAccessKey = '' }: S3Credentials): Store {
  const { host: bucket, pathname, searchParams } = new URL(url)
  const region = searchParams.get('region') ?? 'us-east-1'
  const endpoint = (searchParams.get('endpoint') ?? `https://s3.${region}.amazonaws.com`).replace(/\/+$/, '')
  const folder = pathname.replace(/^\/+|\/+$/g, '')
  const inFolder = (name: string) => (folder === '' ? name : `${folder}/${name}`)
  // Its own retries would send a file again that the caller's job sends again.
  const client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: 0 })

  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await client.fetch(`${endpoint}/${bucket}${path}`, { ...init, signal })
    if (response.ok) return response
    await response.body?.cancel()
    if (response.status === 404) throw new StoredFileMissing(path)
    throw new Error(`S3 answered ${response.status} to ${init.method ?? 'GET'}`)
  }
  const at = (name: string) => `/${inFolder(name).split('/').map(encodeURIComponent).join('/')}`

  return {
    async put(name, sourceFile) {
      const body = await openAsBlob(sourceFile)
      // Not read twice to be hashed: the file carries its own proof (sealed-file.ts).
      const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'content-length': String(body.size) }
      await ask(at(name), { method: 'PUT', body, headers })
    },
    async get(name) {
      const { body } = await ask(at(name))
      return Readable.fromWeb(body as ReadableStream)
    },
    async delete(name) {
      await ask(at(name), { method: 'DELETE' })
    },
    // A PUT is there as a whole or not at all.
    removeUnfinished: async () => {},
    async list(prefix) {
      const names: string[] = []
      for (let token: string | undefined = ''; token !== undefined; ) {
        const query = new URLSearchParams({ 'list-type': '2', prefix: inFolder(prefix) })
        if (token !== '') query.set('continuation-token', token)
        const xml = await (await ask(`?${query}`)).text()
        names.push(...textsIn(xml, 'Key').map((key) => key.slice(inFolder('').length)))
        token = textsIn(xml, 'NextContinuationToken')[0]
      }
      return names
    },
  }
}

/** Our names hold no character that XML would escape. */
const textsIn = (xml: string, tag: string) =>
  [...xml.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, 'g'))].map(([, text = '']) => text)
