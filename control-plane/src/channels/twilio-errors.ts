import type { FailureKind } from './sender.ts'

interface TwilioFailure {
  meaning: string
  kind: FailureKind
  /** Not to be tried before, where Twilio says how long it takes. */
  retryAfterMs?: number
}

/** What Twilio's numbers mean for a message on WhatsApp (https://www.twilio.com/docs/api/errors). */
const tooMany: TwilioFailure = { meaning: 'too many requests', kind: 'retry', retryAfterMs: 10_000 }

const failures: Record<number, TwilioFailure> = {
  20003: { meaning: 'our credentials were refused', kind: 'retry' },
  20404: { meaning: 'the account is not there', kind: 'permanent' },
  20429: tooMany,
  20500: { meaning: 'Twilio failed', kind: 'retry' },
  20503: { meaning: 'Twilio is not available', kind: 'retry' },
  21211: { meaning: 'not an address', kind: 'permanent' },
  21408: { meaning: 'sending to that country is not allowed', kind: 'permanent' },
  21602: { meaning: 'no text', kind: 'permanent' },
  21604: { meaning: 'no address', kind: 'permanent' },
  21610: { meaning: 'the person wrote STOP', kind: 'opted_out' },
  21611: { meaning: 'the sender’s queue is full', kind: 'retry' },
  21617: { meaning: 'longer than 1600 characters', kind: 'permanent' },
  21655: { meaning: 'no such template', kind: 'permanent' },
  21656: { meaning: 'wrong variables for the template', kind: 'permanent' },
  30001: { meaning: 'the queue overflowed', kind: 'retry' },
  30008: { meaning: 'failed for no known reason', kind: 'retry' },
  63001: { meaning: 'WhatsApp refused our credentials', kind: 'retry' },
  63003: { meaning: 'WhatsApp does not know the address', kind: 'permanent' },
  63005: { meaning: 'WhatsApp did not take the content', kind: 'permanent' },
  63007: { meaning: 'no such sender', kind: 'permanent' },
  63010: { meaning: 'WhatsApp failed', kind: 'retry' },
  63012: { meaning: 'WhatsApp failed', kind: 'retry' },
  63013: { meaning: 'against WhatsApp’s policy', kind: 'permanent' },
  63015: { meaning: 'the person has not joined the sender’s sandbox', kind: 'permanent' },
  63016: { meaning: 'outside the 24-hour window', kind: 'window_closed' },
  63018: { meaning: 'too many messages at once', kind: 'retry', retryAfterMs: 10_000 },
  63019: { meaning: 'the media could not be fetched', kind: 'retry' },
  63021: { meaning: 'WhatsApp found the content invalid', kind: 'permanent' },
  63024: { meaning: 'nobody on WhatsApp has this address', kind: 'permanent' },
  63032: { meaning: 'WhatsApp does not deliver to this person at the moment', kind: 'permanent' },
  63033: { meaning: 'the person blocked us', kind: 'permanent' },
  63038: { meaning: 'the day’s number of messages is used up', kind: 'retry', retryAfterMs: 3_600_000 },
  63049: { meaning: 'Meta chose not to deliver it', kind: 'permanent' },
}

/** What a delivery's error code means in words; undefined for what is none of Twilio's. */
export function twilioMeaning(errorCode: string): string | undefined {
  const [, number] = /^twilio_(\d+)$/.exec(errorCode) ?? []
  return number === undefined ? undefined : failures[Number(number)]?.meaning
}

/** For a number that is not in the table, the HTTP status decides; without one, nothing says that it would pass. */
export function twilioFailure(code: number | undefined, status?: number): TwilioFailure {
  const known = code === undefined ? undefined : failures[code]
  if (known) return known
  if (status === 429) return tooMany
  const mayPass = status !== undefined && status >= 500
  return { meaning: 'not known to us', kind: mayPass ? 'retry' : 'permanent' }
}
