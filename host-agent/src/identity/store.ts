import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'

const schema = z.object({
  privateKeyPem: z.string(),
  certificatePem: z.string(),
  caPem: z.string(),
  grpcAddress: z.string(),
})

/** Who this host is: key, certificate, authority and where to connect. One file, so that they never disagree. */
export type Identity = z.infer<typeof schema>

const pathIn = (stateDir: string) => join(stateDir, 'identity.json')

/** The stored identity; undefined before the first enrollment. */
export async function loadIdentity(stateDir: string): Promise<Identity | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(pathIn(stateDir), 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`The identity in ${pathIn(stateDir)} cannot be read`, { cause: error })
  }
}

/** Replaces the identity: after a crash either the old or the new one is there, whole. */
export async function saveIdentity(stateDir: string, identity: Identity): Promise<void> {
  const path = pathIn(stateDir)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(JSON.stringify(identity))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
