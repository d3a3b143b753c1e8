import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { AgentEnv } from '../env.ts'
import { AgentError } from '../errors.ts'
import { checkCertificate, createKeyAndCsr } from './keys.ts'
import { certificateLife } from './renewal.ts'
import { type Identity, loadIdentity, saveIdentity } from './store.ts'

const answerSchema = z.object({ certificate: z.string(), ca: z.string(), grpcAddress: z.string() })

/** The stored identity while it is valid, else a new one bought with the join token. */
export async function ensureIdentity(env: AgentEnv): Promise<Identity> {
  const stored = await loadIdentity(env.STATE_DIR)
  if (stored && certificateLife(stored.certificatePem).notAfterMs > Date.now()) return stored
  const identity = await enroll(env)
  await saveIdentity(env.STATE_DIR, identity)
  return identity
}

/** A new identity for the join token, which is spent with it; nothing is stored. */
export async function enroll(env: AgentEnv): Promise<Identity> {
  const token = await joinToken(env)
  const { privateKeyPem, csrPem } = await createKeyAndCsr(env.HOST_NAME)
  const response = await post(`${env.CONTROL_PLANE_URL}/api/v1/hosts/enroll`, {
    token,
    csr: csrPem,
    name: env.HOST_NAME,
    // A control plane with another authority can say so before it takes the token.
    caPin: env.CONTROL_PLANE_CA_PIN,
  })
  const answer = answerSchema.parse(response)
  const identity = {
    privateKeyPem,
    certificatePem: answer.certificate,
    caPem: answer.ca,
    grpcAddress: answer.grpcAddress,
  }
  checkCertificate({ ...identity, caPin: env.CONTROL_PLANE_CA_PIN })
  return identity
}

async function joinToken(env: AgentEnv): Promise<string> {
  if (env.JOIN_TOKEN !== undefined) return env.JOIN_TOKEN
  if (env.JOIN_TOKEN_FILE !== undefined) return (await readFile(env.JOIN_TOKEN_FILE, 'utf8')).trim()
  throw new AgentError('not_enrolled', 'This host has no valid identity: set JOIN_TOKEN or JOIN_TOKEN_FILE.')
}

/** Retryable when the control plane was not there; final when it said no. */
async function post(url: string, body: unknown): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    })
  } catch (error) {
    throw new AgentError('enroll_unreachable', `No answer from ${url}.`, { cause: error, retryable: true })
  }
  const text = await response.text()
  if (!response.ok) {
    const retryable = response.status >= 500 || response.status === 429
    throw new AgentError('enroll_refused', `${response.status} ${text.slice(0, 500)}`, { retryable })
  }
  return JSON.parse(text)
}
