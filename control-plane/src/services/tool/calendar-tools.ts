import { z } from 'zod'
import { invalidInput, notFound, ServiceError } from '../../errors.ts'
import type { GoogleApi } from '../../lib/google-api.ts'
import { scopes } from '../integration/google-services.ts'
import { beginningOfDay, inWords, lastDayInWords } from './days.ts'
import { bold, cut, maxItems, plain, quoted, untrusted } from './quoting.ts'
import { actTool, type Description, readTool, type Tool, type ToolPerson } from './tool.ts'

const events = '/calendar/v3/calendars/primary/events'
const eventPath = (id: string) => `${events}/${encodeURIComponent(id)}`
const described = { service: 'calendar', scope: scopes.calendarEvents } as const

const when = z
  .string()
  .max(40)
  .refine((value) => isDay(value) || z.iso.datetime({ offset: true }).safeParse(value).success, {
    error: 'must be a date (2030-05-01) or a date and time with its offset (2030-05-01T10:00:00+02:00)',
  })
const isDay = (value: string) => z.iso.date().safeParse(value).success
const moment = (value: string) => (isDay(value) ? { date: value } : { dateTime: value })
/** A change is merged into what is there: a day must end the time, and a time the day. */
const movedTo = (value: string) => ({ date: null, dateTime: null, ...moment(value) })

const id = z.string().min(1).max(1024)
const fields = {
  summary: z.string().min(1).max(300),
  start: when,
  end: when,
  location: z.string().max(300).optional(),
  description: z.string().max(2_000).optional(),
  attendees: z.array(z.email().max(254)).max(20).optional(),
}
const change = z.object(fields).partial()
type Change = z.infer<typeof change>

/** More of them is kept as it is: whether they come, what they wrote. */
const guestSchema = z.looseObject({
  email: z.string().default(''),
  self: z.boolean().optional(),
  organizer: z.boolean().optional(),
})
const eventSchema = z.object({
  id: z.string(),
  etag: z.string().optional(),
  status: z.string().optional(),
  summary: z.string().default('(no title)'),
  description: z.string().optional(),
  location: z.string().optional(),
  start: z.object({ date: z.string().optional(), dateTime: z.string().optional() }).default({}),
  end: z.object({ date: z.string().optional(), dateTime: z.string().optional() }).default({}),
  attendees: z.array(guestSchema).optional(),
  /** Of an event that stands for all its repetitions. */
  recurrence: z.array(z.string()).optional(),
})
type Event = z.infer<typeof eventSchema>

const at = ({ date, dateTime }: Event['start']) => dateTime ?? date ?? '?'
const source = 'the person’s Google Calendar'

const beginOf = (value: string, timeZone: string) =>
  isDay(value) ? beginningOfDay(value, timeZone).toISOString() : value
/** A day is in it as a whole. */
const endOf = (value: string, timeZone: string) =>
  isDay(value) ? beginningOfDay(value, timeZone, 1).toISOString() : value

const isSame = (email: string) => (guest: { email: string }) =>
  guest.email.toLowerCase() === email.toLowerCase()
const isOwn = ({ self, organizer }: z.infer<typeof guestSchema>) => self === true || organizer === true

/** What a list of guests makes of those that an event has. The person and who made the event stay. */
function guestsOf({ attendees: present = [] }: Pick<Event, 'attendees'>, wanted: string[]) {
  const stays = present.filter((guest) => isOwn(guest) || wanted.some((email) => isSame(email)(guest)))
  const added = wanted.filter((email) => !present.some(isSame(email)))
  return {
    added,
    removed: present.filter((guest) => !stays.includes(guest)).map(({ email }) => email),
    attendees: [...stays, ...added.map((email) => ({ email }))],
  }
}

const endInWords = (end: string, timeZone: string) =>
  isDay(end) ? `the end of ${lastDayInWords(end)}` : inWords(end, timeZone)

/** The lines of an event, or of a change, as a person reads them. */
function linesOf(
  { summary, start, end, location, description }: Change,
  { timeZone }: ToolPerson,
  guests: string[] = [],
): string[] {
  return [
    ...(summary === undefined ? [] : [bold(summary)]),
    ...(start === undefined ? [] : [`From: ${plain(inWords(start, timeZone))}`]),
    ...(end === undefined ? [] : [`To: ${plain(endInWords(end, timeZone))}`]),
    ...(location === undefined ? [] : [`Where: ${plain(location) || '(nowhere)'}`]),
    ...guests,
    ...(description === undefined
      ? []
      : [description === '' ? 'Without a description.' : quoted(description)]),
  ]
}

function guestLines(event: Event, wanted: string[]): string[] {
  const { added, removed, attendees } = guestsOf(event, wanted)
  if (added.length + removed.length === 0) return ['The guests stay the same.']
  const isEmpty = attendees.every((guest) => isOwn(guest))
  return [
    ...(added.length > 0 ? [`Invited, by mail: ${added.map(plain).join(', ')}`] : []),
    ...(removed.length > 0 ? [`Not invited any more: ${removed.map(plain).join(', ')}`] : []),
    ...(isEmpty ? ['Nobody is invited any more.'] : []),
  ]
}

const find = (api: GoogleApi, eventId: string) => api.call({ path: eventPath(eventId) }, eventSchema)
const named = (event: Event, { timeZone }: ToolPerson) =>
  `${bold(event.summary)} (${plain(inWords(at(event.start), timeZone))}${event.recurrence?.length ? ', and all its repetitions' : ''})`

/** Who has it in their calendar hears of it, since `changed` says so to Google. */
function toldLine({ attendees = [] }: Event): string[] {
  const guests = attendees.filter(({ self }) => self !== true).length
  if (guests === 0) return []
  return [guests === 1 ? 'Its guest is told by mail.' : `Its ${guests} guests are told by mail.`]
}
const changed = { sendUpdates: 'all' }

export const calendarTools: Tool[] = [
  readTool({
    ...described,
    name: 'calendar_list_events',
    description:
      'Events of the person’s main calendar, by time; with `query`, those that hold these words. A date is a day of theirs; that of `to` is included.',
    input: z.object({
      from: when.optional(),
      to: when.optional(),
      query: z.string().max(200).optional(),
      limit: z.int().min(1).max(maxItems).default(10),
    }),
    async run(api, { from, to, query, limit }, { timeZone }) {
      const { items } = await api.call(
        {
          path: events,
          query: {
            singleEvents: true,
            orderBy: 'startTime',
            timeMin: from === undefined ? new Date().toISOString() : beginOf(from, timeZone),
            timeMax: to === undefined ? undefined : endOf(to, timeZone),
            q: query,
            maxResults: limit,
          },
        },
        z.object({ items: z.array(eventSchema).default([]) }),
      )
      if (items.length === 0) return 'No events.'
      const lines = items.map(
        (event) => `${event.id}: ${at(event.start)} to ${at(event.end)}: ${event.summary}`,
      )
      return untrusted(source, cut(lines.join('\n')))
    },
  }),
  readTool({
    ...described,
    name: 'calendar_get_event',
    description: 'All of one event.',
    input: z.object({ id }),
    run: async (api, input) => untrusted(source, cut(JSON.stringify(await find(api, input.id), null, 2))),
  }),
  actTool({
    ...described,
    name: 'calendar_create_event',
    label: 'add events to my calendar',
    description:
      'Adds an event to the person’s main calendar, after asking them. Attendees are invited by mail.',
    input: z.object(fields),
    async describe(_, input, person) {
      const { attendees = [] } = input
      const invited = attendees.length > 0 ? [`Invited, by mail: ${attendees.map(plain).join(', ')}`] : []
      return { text: ['Add to your calendar:', ...linesOf(input, person, invited)].join('\n') }
    },
    // Google takes an id of ours; a second event with it is refused.
    prepare: async () => crypto.randomUUID().replaceAll('-', ''),
    async run(api, { start, end, attendees, ...rest }, { reference }) {
      const json = {
        ...rest,
        start: moment(start),
        end: moment(end),
        ...(attendees && { attendees: attendees.map((email) => ({ email })) }),
        id: reference,
      }
      await api
        .call({ method: 'POST', path: events, query: changed, json }, eventSchema)
        .catch(unlessCode('google_conflict'))
      return `The event was added. Its id is ${reference}.`
    },
  }),
  actTool({
    ...described,
    name: 'calendar_update_event',
    label: 'change events in my calendar',
    description:
      'Changes what is given of an event, after asking the person. `attendees` are all that it has then, none is an empty list. Attendees hear of it by mail.',
    input: change.extend({ id }),
    async describe(api, { id: eventId, ...input }, person) {
      if (Object.values(input).every((value) => value === undefined))
        throw invalidInput('Nothing was given to change.', 'nothing_to_change')
      const event = await find(api, eventId)
      const guests = input.attendees ? guestLines(event, input.attendees) : []
      const lines = linesOf(input, person, [...guests, ...toldLine(event)])
      return describedBy(event, [`Change ${named(event, person)} in your calendar to:`, ...lines])
    },
    async run(api, { id: eventId, ...input }, { precondition }) {
      const { start, end, attendees, ...rest } = input
      const json = {
        ...rest,
        ...(start !== undefined && { start: movedTo(start) }),
        ...(end !== undefined && { end: movedTo(end) }),
        ...(attendees && { attendees: guestsOf(await find(api, eventId), attendees).attendees }),
      }
      const ifMatch = precondition ?? undefined
      const call = { method: 'PATCH', path: eventPath(eventId), query: changed, json, ifMatch } as const
      await api.call(call, eventSchema).catch(async (error: unknown) => {
        unlessCode('google_changed')(error)
        // An earlier try may have been the one that changed it.
        if (!isAsAsked(await find(api, eventId), input)) throw error
      })
      return 'The event was changed.'
    },
  }),
  actTool({
    ...described,
    name: 'calendar_delete_event',
    label: 'delete events from my calendar',
    description: 'Deletes an event, after asking the person. Attendees hear of it by mail.',
    input: z.object({ id }),
    async describe(api, input, person) {
      const event = await find(api, input.id)
      return describedBy(event, [`Delete ${named(event, person)} from your calendar.`, ...toldLine(event)])
    },
    async run(api, input, { precondition }) {
      const ifMatch = precondition ?? undefined
      const call = { method: 'DELETE', path: eventPath(input.id), query: changed, ifMatch } as const
      // It was there when the person was asked.
      await api
        .call(call, z.undefined())
        .catch(async (error: unknown) => {
          unlessCode('google_changed')(error)
          if ((await find(api, input.id)).status !== 'cancelled') throw error
        })
        .catch(unlessCode('google_not_found'))
      return 'The event was deleted.'
    },
  }),
]

/** What is deleted stays there for Google, and nobody is asked about it. */
function describedBy(event: Event, lines: string[]): Description {
  if (event.status === 'cancelled') throw notFound('There is no such thing at Google.', 'google_not_found')
  return { text: lines.join('\n'), precondition: event.etag }
}

/** Whether an event is what a change would make of it. */
function isAsAsked(event: Event, { attendees, start, end, ...words }: Change): boolean {
  const { added, removed } = guestsOf(event, attendees ?? (event.attendees ?? []).map(({ email }) => email))
  const isAt = (there: Event['start'], wanted: string | undefined) =>
    wanted === undefined ||
    (isDay(wanted)
      ? there.date === wanted
      : there.dateTime !== undefined && Date.parse(there.dateTime) === Date.parse(wanted))
  const isSaid = (['summary', 'location', 'description'] as const).every(
    (field) => words[field] === undefined || words[field] === (event[field] ?? ''),
  )
  return isSaid && isAt(event.start, start) && isAt(event.end, end) && added.length + removed.length === 0
}

/** A failure that says that the deed is done already. */
export const unlessCode = (code: string) => (error: unknown) => {
  if (!(error instanceof ServiceError && error.code === code)) throw error
}
