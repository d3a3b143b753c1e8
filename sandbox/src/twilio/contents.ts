import { z } from 'zod'
import type { Keepable } from '../kept.ts'
import { TwilioError } from './errors.ts'
import { sid } from './ids.ts'

/*
 * Contents of the Content API: https://www.twilio.com/docs/content/content-api-resources. Those that are there from the
 * start are templates that WhatsApp has approved, the only thing that may be sent outside the 24-hour window; what is
 * created is not approved, and passes within the window.
 */

const text = z.object({ body: z.string().min(1) })
const quickReply = z.object({
  body: z.string().min(1),
  actions: z
    .array(z.object({ type: z.literal('QUICK_REPLY').optional(), title: z.string().min(1), id: z.string() }))
    .min(1)
    .max(10),
})
const listPicker = z.object({
  body: z.string().min(1),
  button: z.string().min(1),
  items: z
    .array(z.object({ item: z.string().min(1), id: z.string().min(1), description: z.string().optional() }))
    .min(1)
    .max(10),
})
const typesSchema = z.strictObject({
  'twilio/text': text.optional(),
  'twilio/quick-reply': quickReply.optional(),
  'twilio/list-picker': listPicker.optional(),
})
type Types = z.output<typeof typesSchema>

const createSchema = z.object({
  friendly_name: z.string().default(''),
  language: z.string().min(2),
  variables: z.record(z.string().max(16), z.string().min(1)).default({}),
  types: typesSchema.refine((types) => Object.keys(types).length > 0),
})

export interface Content {
  sid: string
  friendlyName: string
  language: string
  types: Types
  /** What stands in for a variable that is not given. */
  variables: Record<string, string>
  isApproved: boolean
}

export const readyContentSid = 'HX2da33755ce26e6cd5177e9d07bba71d6'
export const inviteContentSid = 'HX5ca1ab1e00000000000000000000beef'

const approved: readonly Content[] = [
  {
    sid: readyContentSid,
    friendlyName: 'assistant_ready',
    language: 'en',
    types: { 'twilio/text': { body: 'Hello {{1}}, your assistant is ready. Answer this message to begin.' } },
    variables: { 1: 'there' },
    isApproved: true,
  },
  {
    sid: inviteContentSid,
    friendlyName: 'assistant_has_news',
    language: 'en',
    types: { 'twilio/text': { body: 'Your assistant has a message for you. Answer to read it.' } },
    variables: {},
    isApproved: true,
  },
]

/** All contents of the account. */
export class Contents implements Keepable {
  #all: Content[] = [...approved]

  save(): Content[] {
    return this.#all.filter(({ isApproved }) => !isApproved)
  }

  load(saved: Content[]): void {
    this.#all = [...approved, ...saved]
  }

  find(contentSid: string): Content | undefined {
    return this.#all.find((content) => content.sid === contentSid)
  }

  /** `name` is a pattern, as Twilio's filter is. */
  list(name?: string): Content[] {
    const pattern = name === undefined ? undefined : new RegExp(name)
    return this.#all.filter(({ friendlyName }) => pattern?.test(friendlyName) ?? true)
  }

  /** @throws TwilioError 20001 for what is no content of a type that is known here */
  create(body: unknown): Content {
    const given = createSchema.safeParse(body)
    if (!given.success) throw new TwilioError(400, 20001, z.prettifyError(given.error))
    const { friendly_name: friendlyName, language, types, variables } = given.data
    const made = { sid: sid('HX'), friendlyName, language, types, variables, isApproved: false }
    this.#all.push(made)
    return made
  }

  remove(contentSid: string): boolean {
    const before = this.#all.length
    this.#all = this.#all.filter((content) => content.sid !== contentSid)
    return this.#all.length < before
  }
}

/** What can be pressed below a message. */
export interface Choices {
  /** What opens the list; absent for buttons, which are there at once. */
  list?: string
  options: { title: string; id: string }[]
}

export interface Rendered {
  body: string
  choices?: Choices
}

/** What a phone shows. @throws TwilioError 21656 for variables that are no JSON object of texts */
export function renderContent({ variables, types }: Content, variablesJson: string | undefined): Rendered {
  const given = { ...variables, ...readVariables(variablesJson) }
  const fill = (words: string) => words.replace(/\{\{(\w+)\}\}/g, (mark, name: string) => given[name] ?? mark)
  const list = types['twilio/list-picker']
  if (list) {
    const options = list.items.map(({ item, id }) => ({ title: fill(item), id: fill(id) }))
    return { body: fill(list.body), choices: { list: fill(list.button), options } }
  }
  const quick = types['twilio/quick-reply']
  if (quick) {
    const options = quick.actions.map(({ title, id }) => ({ title: fill(title), id: fill(id) }))
    return { body: fill(quick.body), choices: { options } }
  }
  return { body: fill(types['twilio/text']?.body ?? '') }
}

const longest = { body: 1024, button: 20, quickReply: 20, item: 24, id: 200 }

/** Whether WhatsApp shows it: https://www.twilio.com/docs/content/twilio-quick-reply and …/twiliolist-picker */
export function isShown({ body, choices }: Rendered, { isApproved }: Content): boolean {
  if (!choices) return true
  const { list, options } = choices
  const titles = new Set(options.map(({ title }) => title))
  const ids = new Set(options.map(({ id }) => id))
  return (
    body.length <= longest.body &&
    (list ?? '').length <= longest.button &&
    options.length <= (list === undefined && !isApproved ? 3 : 10) &&
    titles.size === options.length &&
    ids.size === options.length &&
    options.every(
      ({ title, id }) =>
        title.length <= (list === undefined ? longest.quickReply : longest.item) && id.length <= longest.id,
    )
  )
}

const longestVariable = 1600

function readVariables(json: string | undefined): Record<string, string> {
  if (json === undefined || json === '') return {}
  const isText = (value: unknown) =>
    typeof value === 'string' && value !== '' && value.length <= longestVariable
  try {
    const parsed: unknown = JSON.parse(json)
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    if (isObject && Object.values(parsed).every(isText)) return parsed as Record<string, string>
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
    language: content.language,
    variables: content.variables,
    types: content.types,
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
      content_type: Object.keys(content.types)[0],
      status: content.isApproved ? 'approved' : 'unsubmitted',
      rejection_reason: '',
      allow_category_change: true,
    },
    url: `${base}/v1/Content/${content.sid}/ApprovalRequests`,
    links: { approval_create: `${base}/v1/Content/${content.sid}/ApprovalRequests/whatsapp` },
  }
}
