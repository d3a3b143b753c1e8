/** What the development command needs to know of the identity that an agent keeps in its STATE_DIR. */
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const fileIn = (stateDir: string): string => join(stateDir, 'identity.json')

/** True while the agent can connect without a join token. */
export function isEnrolled(stateDir: string): boolean {
  const identity = read(stateDir)
  return identity !== undefined && new X509Certificate(identity.certificatePem).validToDate > new Date()
}

/** Other ports than last time: the agent would look for us at the old address, so it enrolls anew. */
export function forgetOtherAddress(stateDir: string, grpcAddress: string): void {
  const identity = read(stateDir)
  if (identity !== undefined && identity.grpcAddress !== grpcAddress) rmSync(fileIn(stateDir))
}

function read(stateDir: string): { certificatePem: string; grpcAddress: string } | undefined {
  const file = fileIn(stateDir)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}
