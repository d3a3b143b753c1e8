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
  const { data: answer } = answerSchema.safeParse(response)
  if (!answer) throw notUnderstood(env.CONTROL_PLANE_URL)
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
  if (env.JOIN_TOKEN_FILE !== undefined) {
    const text = await readFile(env.JOIN_TOKEN_FILE, 'utf8').catch((cause: unknown) => {
      throw new AgentError('join_token_unreadable', `${env.JOIN_TOKEN_FILE} cannot be read.`, { cause })
    })
    if (text.trim() !== '') return text.trim()
  }
  throw new AgentError(
    'not_enrolled',
    'This host has no valid certificate and no join token: set JOIN_TOKEN or JOIN_TOKEN_FILE.',
  )
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
  if (response.ok) return parseJson(text)
  const retryable = response.status >= 500 || response.status === 429
  const { data: problem } = problemSchema.safeParse(parseJson(text))
  if (!problem) throw new AgentError('enroll_refused', `${url} answered ${response.status}.`, { retryable })
  throw new AgentError(problem.code, problem.detail, { retryable })
}

/** The control plane's errors; what else stands at that address may answer anything. */
const problemSchema = z.object({ code: z.string().max(100), detail: z.string().max(500) })

const notUnderstood = (url: string) =>
  new AgentError('enroll_not_understood', `What answers at ${url} is no control plane.`)

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
