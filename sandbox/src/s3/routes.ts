import { createHash } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { type Env, type Faults, faulty } from '../faults.ts'

/** How many keys S3 lists at once. */
const pageSize = 1_000

/**
 * The part of S3 that keeps whole files: PUT, GET, DELETE and ListObjectsV2, a bucket a path, made by its first file.
 * Requests must be signed (Signature Version 4); whose key it is and whether the signature is right is not looked at.
 */
export function s3Routes(faults: Faults): Hono<Env> {
  const files = new Map<string, Buffer>()
  const app = new Hono<Env>()
  app.use(
    '*',
    faulty(faults, 's3', () => ({ error: 'SlowDown' })),
  )
  app.use('*', async (c, next) => {
    const authorization = c.req.header('authorization') ?? ''
    if (!authorization.startsWith('AWS4-HMAC-SHA256 Credential=')) return refuse(c, 403, 'AccessDenied')
    return next()
  })
  app.get('/:bucket', (c) => {
    if (c.req.query('list-type') !== '2') return refuse(c, 400, 'InvalidArgument')
    const bucket = `${c.req.param('bucket')}/`
    const { prefix = '', 'continuation-token': after = '' } = c.req.query()
    const keys = [...files.keys()]
      .filter((name) => name.startsWith(bucket + prefix))
      .map((name) => name.slice(bucket.length))
      .filter((key) => key > after)
      .sort()
    const page = keys.slice(0, pageSize)
    const next = keys.length > pageSize ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
    const contents = page.map((key) => `<Contents><Key>${escapeXml(key)}</Key></Contents>`).join('')
    return c.body(`<ListBucketResult>${contents}${next}</ListBucketResult>`, 200, {
      'content-type': 'application/xml',
    })
  })
  app.put('/:bucket/:key{.+}', async (c) => {
    // As S3: a stream of unknown length is refused.
    if (c.req.header('content-length') === undefined) return refuse(c, 411, 'MissingContentLength')
    const file = Buffer.from(await c.req.arrayBuffer())
    files.set(nameOf(c), file)
    return c.body(null, 200, { etag: `"${createHash('md5').update(file).digest('hex')}"` })
  })
  app.get('/:bucket/:key{.+}', (c) => {
    const file = files.get(nameOf(c))
    return file ? c.body(new Uint8Array(file), 200) : refuse(c, 404, 'NoSuchKey')
  })
  app.delete('/:bucket/:key{.+}', (c) => {
    files.delete(nameOf(c))
    return c.body(null, 204)
  })
  return app
}

const nameOf = (c: Context) => `${c.req.param('bucket')}/${c.req.param('key')}`

const refuse = (c: Context, status: 400 | 403 | 404 | 411, code: string) =>
  c.body(`<Error><Code>${code}</Code></Error>`, status, { 'content-type': 'application/xml' })

const escapeXml = (text: string) => text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
