import { type Keepable, refill } from '../kept.ts'

/** A message in either direction, as GET …/Messages/{sid} tells it. */
export interface Message {
  sid: string
  direction: 'inbound' | 'outbound-api'
  from: string
  to: string
  body: string
  status: 'received' | 'queued' | 'sent' | 'delivered' | 'read' | 'failed' | 'undelivered'
  errorCode: number | null
  at: Date
  media: Media[]
}

export interface Media {
  sid: string
  contentType: string
  bytes: Buffer
}

/** As the phone page gets it. */
export const fileOf = (message: Message, { sid, contentType, bytes }: Media) => ({
  mimeType: contentType,
  sizeBytes: bytes.length,
  url: `/sim/whatsapp/media/${message.sid}/${sid}`,
})

/** All messages of the account, oldest first. */
export class Messages implements Keepable {
  readonly #bySid = new Map<string, Message>()

  save(): Map<string, Message> {
    return this.#bySid
  }

  load(saved: Map<string, Message>): void {
    refill(this.#bySid, saved)
    // Of bytes, what was saved has no more than bytes.
    for (const { media } of saved.values()) for (const file of media) file.bytes = Buffer.from(file.bytes)
  }

  add(message: Message): void {
    this.#bySid.set(message.sid, message)
  }

  get(sid: string): Message | undefined {
    return this.#bySid.get(sid)
  }

  /** Newest first, as Twilio lists them. */
  list(filter: { to?: string | undefined; from?: string | undefined }): Message[] {
    return [...this.#bySid.values()]
      .filter(({ to }) => filter.to === undefined || to === filter.to)
      .filter(({ from }) => filter.from === undefined || from === filter.from)
      .reverse()
  }

  clear(): void {
    this.#bySid.clear()
  }
}

const apiVersion = '2010-04-01'
const errorMessages: Record<number, string> = {
  63016:
    'Failed to send freeform message because you are outside the allowed window. If you are using WhatsApp, please use a Message Template.',
}

export function messageResource(message: Message, accountSid: string): object {
  const uri = `/${apiVersion}/Accounts/${accountSid}/Messages/${message.sid}`
  const date = message.at.toUTCString().replace('GMT', '+0000')
  return {
    account_sid: accountSid,
    api_version: apiVersion,
    body: message.body,
    date_created: date,
    date_sent: message.status === 'queued' ? null : date,
    date_updated: date,
    direction: message.direction,
    error_code: message.errorCode,
    error_message: message.errorCode === null ? null : (errorMessages[message.errorCode] ?? null),
    from: message.from,
    messaging_service_sid: null,
    num_media: String(message.media.length),
    num_segments: '1',
    price: null,
    price_unit: null,
    sid: message.sid,
    status: message.status,
    subresource_uris: { media: `${uri}/Media.json` },
    to: message.to,
    uri: `${uri}.json`,
  }
}
