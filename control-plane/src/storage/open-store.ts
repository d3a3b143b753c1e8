import { createFileStore } from './file-store.ts'
import { createS3Store, type S3Credentials } from './s3-store.ts'
import type { Store } from './store.ts'

/** `file:///folder`, which all replicas must share, or `s3://bucket/prefix?region=…&endpoint=https://…`. */
export function openStore(url: string, credentials: S3Credentials): Store {
  return url.startsWith('s3:') ? createS3Store(url, credentials) : createFileStore(url)
}
