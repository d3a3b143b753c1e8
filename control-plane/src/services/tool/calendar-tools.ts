import { z } from 'zod'
import { invalidInput, ServiceError } from '../../errors.ts'
import type { GoogleApi } from '../../lib/google-api.ts'
import { scopes } from '../integration/google-services.ts'
import { cut, maxItems, plain, quoted, untrusted } from './quoting.ts'
import { actTool, readTool, type Tool } from './tool.ts'

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

const eventSchema = z.object({
  id: z.string(),
  summary: z.string().default('(no title)'),
  description: z.string().optional(),
  location: z.string().optional(),
  start: z.object({ date: z.string().optional(), dateTime: z.string().optional() }).default({}),
  end: z.object({ date: z.string().optional(), dateTime: z.string().optional() }).default({}),
  attendees: z.array(z.object({ email: z.string() })).optional(),
})
type Event = z.infer<typeof eventSchema>

const at = ({ date, dateTime }: Event['start']) => dateTime ?? date ?? '?'
const source = 'the person’s Google Calendar'

function toBody({ start, end, attendees, ...rest }: Change) {
  return {
    ...rest,
    ...(start !== undefined && { start: moment(start) }),
    ...(end !== undefined && { end: moment(end) }),
    ...(attendees && { attendees: attendees.map((email) => ({ email })) }),
  }
}

/** The lines of an event, or of a change, as a person reads them. */
function linesOf({ summary, start, end, location, description, attendees }: Change): string[] {
  return [
    ...(summary === undefined ? [] : [`**${plain(summary)}**`]),
    ...(start === undefined ? [] : [`From: ${plain(start)}`]),
    ...(end === undefined ? [] : [`To: ${plain(end)}`]),
    ...(location === undefined ? [] : [`Where: ${plain(location)}`]),
    ...(attendees?.length ? [`Invited, by mail: ${attendees.map(plain).join(', ')}`] : []),
    ...(description === undefined ? [] : [quoted(description)]),
  ]
}

const find = (api: GoogleApi, eventId: string) => api.call({ path: eventPath(eventId) }, eventSchema)
const named = (event: Event) => `**${plain(event.summary)}** (${plain(at(event.start))})`
const changed = { sendUpdates: 'all' }

export const calendarTools: Tool[] = [
  readTool({
    ...described,
    name: 'calendar_list_events',
    description: 'Events of the person’s main calendar, by time; with `query`, those that hold these words.',
    input: z.object({
      from: when.optional(),
      to: when.optional(),
      query: z.string().max(200).optional(),
      limit: z.int().min(1).max(maxItems).default(10),
    }),
    async run(api, { from, to, query, limit }) {
      const toInstant = (value: string) => (isDay(value) ? `${value}T00:00:00Z` : value)
      const { items } = await api.call(
        {
          path: events,
          query: {
            singleEvents: true,
            orderBy: 'startTime',
            timeMin: toInstant(from ?? new Date().toISOString()),
            timeMax: to === undefined ? undefined : toInstant(to),
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
    describe: async (_, input) => ['Add to your calendar:', ...linesOf(input)].join('\n'),
    // Google takes an id of ours; a second event with it is refused.
    prepare: async () => crypto.randomUUID().replaceAll('-', ''),
    async run(api, input, reference) {
      const json = { ...toBody(input), id: reference }
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
    description: 'Changes what is given of an event, after asking the person. Attendees hear of it by mail.',
    input: change.extend({ id }),
    async describe(api, { id: eventId, ...input }) {
      const lines = linesOf(input)
      if (lines.length === 0) throw invalidInput('Nothing was given to change.', 'nothing_to_change')
      return [`Change ${named(await find(api, eventId))} in your calendar to:`, ...lines].join('\n')
    },
    async run(api, { id: eventId, ...input }) {
      const json = toBody(input)
      await api.call({ method: 'PATCH', path: eventPath(eventId), query: changed, json }, eventSchema)
      return 'The event was changed.'
    },
  }),
  actTool({
    ...described,
    name: 'calendar_delete_event',
    label: 'delete events from my calendar',
    description: 'Deletes an event, after asking the person. Attendees hear of it by mail.',
    input: z.object({ id }),
    describe: async (api, input) => `Delete ${named(await find(api, input.id))} from your calendar.`,
    async run(api, input) {
      const call = { method: 'DELETE', path: eventPath(input.id), query: changed } as const
      // It was there when the person was asked.
      await api.call(call, z.undefined()).catch(unlessCode('google_not_found'))
      return 'The event was deleted.'
    },
  }),
]

/** A failure that says that the deed is done already. */
export const unlessCode = (code: string) => (error: unknown) => {
  if (!(error instanceof ServiceError && error.code === code)) throw error
}
