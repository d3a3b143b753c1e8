import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'

/** What a browser must bring back from Google: kept by that browser alone, sealed (RFC 6749 10.12, RFC 7636). */
export interface Attempt {
  state: string
  nonce: string
  codeVerifier: string
}

/** Begins a code flow with PKCE: where the person goes, and what the answer is held against. */
export async function beginFlow(
  config: Configuration,
  parameters: { redirect_uri: string; scope: string; prompt: string } & Record<string, string>,
): Promise<{ url: URL; attempt: Attempt }> {
  const attempt = { state: randomState(), nonce: randomNonce(), codeVerifier: randomPKCECodeVerifier() }
  const url = buildAuthorizationUrl(config, {
    ...parameters,
    state: attempt.state,
    nonce: attempt.nonce,
    code_challenge: await calculatePKCECodeChallenge(attempt.codeVerifier),
    code_challenge_method: 'S256',
  })
  return { url, attempt }
}

/** Ends it: the tokens for what Google's redirect carried in its `query`. Throws what openid-client throws. */
export function redeem(
  config: Configuration,
  { redirectUri, query, attempt }: { redirectUri: string; query: string; attempt: Attempt },
) {
  const answer = new URL(redirectUri)
  answer.search = query
  return authorizationCodeGrant(config, answer, {
    expectedState: attempt.state,
    expectedNonce: attempt.nonce,
    pkceCodeVerifier: attempt.codeVerifier,
    idTokenExpected: true,
  })
}
