import type { IncomingMessage, ServerResponse } from 'node:http'
import type { KeyRing } from './keys.ts'
import { shownKey } from './providers.ts'
import { Refusal } from './refusal.ts'

/**
 * What an assistant reaches at its gateway beside model providers, by the first segment of the path. Whoever calls was
 * identified: it has the assistant's virtual key and comes through its door.
 */
export type Service = (
  request: IncomingMessage,
  response: ServerResponse,
  caller: { assistantId: string },
) => Promise<void>

/** The service that a request is for, if any. */
export const findService = (
  { url = '' }: IncomingMessage,
  services: ReadonlyMap<string, Service>,
): Service | undefined => services.get(/^\/([a-z-]+)(?:[/?]|$)/.exec(url)?.[1] ?? '')

/** Throws starting (503) and unknown_virtual_key (422). `owner` is whose door it came through. */
export function callerOf(request: IncomingMessage, keys: KeyRing, owner: string | undefined) {
  const shown = shownKey(request.headers)
  const assistantId = shown === undefined ? undefined : keys.holderOf(shown)
  // An agent that has just started holds no keys yet; OpenClaw tries again.
  if (assistantId === undefined && !keys.isFilled())
    throw new Refusal(503, 'starting', 'The host agent is starting.')
  if (assistantId === undefined || (owner !== undefined && owner !== assistantId))
    throw new Refusal(422, 'unknown_virtual_key', 'This key belongs to no assistant of this host.')
  return { assistantId }
}
