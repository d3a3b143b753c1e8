import { createHmac } from 'node:crypto'

/**
 * X-Twilio-Signature: HMAC-SHA1 under the auth token over the whole URL and then every parameter, sorted by name,
 * as name and value (https://www.twilio.com/docs/usage/security#validating-requests).
 */
export function sign(authToken: string, url: string, parameters: Record<string, string>): string {
  const names = Object.keys(parameters).sort()
  const text = url + names.map((name) => name + parameters[name]).join('')
  return createHmac('sha1', authToken).update(text, 'utf8').digest('base64')
}
