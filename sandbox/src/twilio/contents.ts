import { TwilioError } from './errors.ts'

/** A template that WhatsApp has approved: the only thing that may be sent outside the 24-hour window. */
export interface Content {
  sid: string
  friendlyName: string
  body: string
  /** What stands in for a variable that is not given. */
  variables: Record<string, string>
}

export const readyContentSid = 'HX2da33755ce26e6cd5177e9d07bba71d6'
export const inviteContentSid = 'HX5ca1ab1e00000000000000000000beef'

export const contents: readonly Content[] = [
  {
    sid: readyContentSid,
    friendlyName: 'assistant_ready',
    body: 'Hello {{1}}, your assistant is ready. Answer this message to begin.',
    variables: { 1: 'there' },
  },
  {
    sid: inviteContentSid,
    friendlyName: 'assistant_has_news',
    body: 'Your assistant has a message for you. Answer to read it.',
    variables: {},
  },
]

export const findContent = (sid: string) => contents.find((content) => content.sid === sid)

/** The text a phone shows. @throws TwilioError 21656 for variables that are no JSON object of texts */
export function renderContent(content: Content, variablesJson: string | undefined): string {
  const given = { ...content.variables, ...readVariables(variablesJson) }
  return content.body.replace(/\{\{(\w+)\}\}/g, (mark, name: string) => given[name] ?? mark)
}

function readVariables(json: string | undefined): Record<string, string> {
  if (json === undefined || json === '') return {}
  try {
    const parsed: unknown = JSON.parse(json)
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    if (isObject && Object.values(parsed).every((value) => typeof value === 'string' && value !== '')) {
      return parsed as Record<string, string>
    }
  } catch {
    // Refused below like every other text that is no such object.
  }
  throw new TwilioError(400, 21656, 'The ContentVariables Parameter is invalid')
}

export function contentResource(content: Content, accountSid: string, base: string): object {
  const url = `${base}/v1/Content/${content.sid}`
  const created = '2026-01-01T00:00:00Z'
  return {
    sid: content.sid,
    account_sid: accountSid,
    friendly_name: content.friendlyName,
    language: 'en',
    variables: content.variables,
    types: { 'twilio/text': { body: content.body } },
    date_created: created,
    date_updated: created,
    url,
    links: {
      approval_create: `${url}/ApprovalRequests/whatsapp`,
      approval_fetch: `${url}/ApprovalRequests`,
    },
  }
}

export function approvalResource(content: Content, accountSid: string, base: string): object {
  return {
    sid: content.sid,
    account_sid: accountSid,
    whatsapp: {
      type: 'whatsapp',
      name: content.friendlyName,
      category: 'UTILITY',
      content_type: 'twilio/text',
      status: 'approved',
      rejection_reason: '',
      allow_category_change: true,
    },
    url: `${base}/v1/Content/${content.sid}/ApprovalRequests`,
    links: { approval_create: `${base}/v1/Content/${content.sid}/ApprovalRequests/whatsapp` },
  }
}
