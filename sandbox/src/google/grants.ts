import { createHash, randomBytes } from 'node:crypto'
import { type Keepable, refill } from '../kept.ts'

export const codeLifetimeMs = 10 * 60_000
export const tokenLifetimeS = 3_599

/** What a person agreed to on the consent page. */
export interface Grant {
  email: string
  clientId: string
  redirectUri: string
  scope: string
  nonce: string | undefined
  challenge: string | undefined
  challengeMethod: 'plain' | 'S256'
  isOffline: boolean
}

interface Code {
  grant: Grant
  expiresAtMs: number
  /** What it was redeemed for; a second try revokes these. */
  tokens?: string[]
}

const random = (prefix: string) => prefix + randomBytes(24).toString('base64url')

/** A refusal by the token endpoint, RFC 6749 section 5.2. */
export class TokenError extends Error {
  readonly code: string
  readonly status: number

  constructor(code: string, description: string, status = 400) {
    super(description)
    this.code = code
    this.status = status
  }
}

/** Codes and tokens, and what stands behind them. */
export class Grants implements Keepable {
  readonly #codes = new Map<string, Code>()
  readonly #access = new Map<string, { grant: Grant; expiresAtMs: number }>()
  readonly #refresh = new Map<string, Grant>()
  /** Whether a refresh gives a new refresh token, and ends the old one. */
  rotates = false

  save(): object {
    return { access: this.#access, refresh: this.#refresh }
  }

  load(saved: {
    access: Map<string, { grant: Grant; expiresAtMs: number }>
    refresh: Map<string, Grant>
  }): void {
    refill(this.#access, saved.access)
    refill(this.#refresh, saved.refresh)
  }

  issueCode(grant: Grant): string {
    const code = random('4/0')
    this.#codes.set(code, { grant, expiresAtMs: Date.now() + codeLifetimeMs })
    return code
  }

  /**
   * Once: a second use is refused and takes back what the first one gave; so does a wrong verifier use it up.
   * @throws TokenError invalid_grant
   */
  redeem(code: string, client: { clientId: string; redirectUri: string; verifier: string | undefined }) {
    const known = this.#codes.get(code)
    if (known?.tokens) {
      for (const token of known.tokens) this.revoke(token)
      throw new TokenError('invalid_grant', 'Bad Request')
    }
    if (!known || known.expiresAtMs < Date.now() || known.grant.clientId !== client.clientId)
      throw new TokenError('invalid_grant', 'Malformed auth code.')
    known.tokens = []
    const { grant } = known
    if (grant.redirectUri !== client.redirectUri) throw new TokenError('redirect_uri_mismatch', 'Bad Request')
    checkVerifier(grant, client.verifier)
    const refreshToken = grant.isOffline ? this.#issueRefresh(grant) : undefined
    const accessToken = this.#issueAccess(grant)
    known.tokens = [accessToken, ...(refreshToken ? [refreshToken] : [])]
    return { grant, accessToken, refreshToken }
  }

  /** @throws TokenError invalid_grant */
  refresh(token: string, clientId: string) {
    const grant = this.#refresh.get(token)
    if (grant?.clientId !== clientId)
      throw new TokenError('invalid_grant', 'Token has been expired or revoked.')
    if (!this.rotates) return { grant, accessToken: this.#issueAccess(grant), refreshToken: undefined }
    this.#refresh.delete(token)
    const refreshToken = this.#issueRefresh(grant)
    return { grant, accessToken: this.#issueAccess(grant), refreshToken }
  }

  byAccessToken(token: string): Grant | undefined {
    const known = this.#access.get(token)
    return known && known.expiresAtMs > Date.now() ? known.grant : undefined
  }

  /** Ends all that the person agreed to with this client, as Google does. True when there was such a token. */
  revoke(token: string): boolean {
    const grant = this.#access.get(token)?.grant ?? this.#refresh.get(token)
    if (grant === undefined) return false
    const { email, clientId } = grant
    this.#end((candidate) => candidate.email === email && candidate.clientId === clientId)
    return true
  }

  /** The person takes back whatever they agreed to, in their account's settings. */
  withdraw(email: string): void {
    this.#end((grant) => grant.email === email)
  }

  /** Time passes: what refreshes has to do so. */
  expireAccess(): void {
    this.#access.clear()
  }

  #end(isIt: (grant: Grant) => boolean): void {
    for (const [token, { grant }] of this.#access) if (isIt(grant)) this.#access.delete(token)
    for (const [token, grant] of this.#refresh) if (isIt(grant)) this.#refresh.delete(token)
  }

  #issueRefresh(grant: Grant): string {
    const token = random('1//0')
    this.#refresh.set(token, grant)
    return token
  }

  #issueAccess(grant: Grant): string {
    const token = random('ya29.')
    this.#access.set(token, { grant, expiresAtMs: Date.now() + tokenLifetimeS * 1000 })
    return token
  }
}

/** Proof Key for Code Exchange, RFC 7636. */
function checkVerifier({ challenge, challengeMethod }: Grant, verifier: string | undefined): void {
  if (challenge === undefined && verifier === undefined) return
  if (verifier === undefined) throw new TokenError('invalid_grant', 'Missing code verifier.')
  const shown =
    challengeMethod === 'S256' ? createHash('sha256').update(verifier).digest('base64url') : verifier
  if (shown !== challenge) throw new TokenError('invalid_grant', 'Invalid code verifier.')
}
