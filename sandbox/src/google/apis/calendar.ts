import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { type ApiEnv, ApiError, answerError, pageOf, scoped } from './auth.ts'

const moment = z.union([
  z.strictObject({
    dateTime: z.iso.datetime({ offset: true, local: true }),
    timeZone: z.string().optional(),
  }),
  z.strictObject({ date: z.iso.date(), timeZone: z.string().optional() }),
])
export const eventInput = z.object({
  /** Base32hex, chosen by the caller so that a repeated request makes no second event. */
  id: z
    .string()
    .regex(/^[a-v0-9]{5,1024}$/)
    .optional(),
  summary: z.string().optional(),
  description: z.string().optional(),
  location: z.string().optional(),
  start: moment,
  end: moment,
  attendees: z.array(z.looseObject({ email: z.email() })).optional(),
  recurrence: z.array(z.string()).optional(),
})
const patched = z.object({
  date: z.string().nullish(),
  dateTime: z.string().nullish(),
  timeZone: z.string().nullish(),
})
const eventPatch = eventInput.extend({ start: patched, end: patched }).partial()
export type CalendarEvent = z.infer<typeof eventInput> & { id: string; status: string; etag: string }

type EventChange = { [Field in keyof CalendarEvent]?: CalendarEvent[Field] | undefined }

/** The one calendar that everybody has. */
export class Calendars {
  readonly #events = new Map<string, CalendarEvent[]>()

  of(email: string): CalendarEvent[] {
    const events = this.#events.get(email) ?? []
    this.#events.set(email, events)
    return events
  }

  /** @throws ApiError duplicate */
  add(email: string, input: z.infer<typeof eventInput>): CalendarEvent {
    const events = this.of(email)
    if (events.some(({ id }) => id === input.id)) {
      throw new ApiError(409, 'duplicate', 'The requested identifier already exists.')
    }
    const made = {
      ...input,
      id: input.id ?? randomBytes(13).toString('hex'),
      status: 'confirmed',
      etag: newTag(),
    }
    events.push(made)
    return made
  }

  /** @throws ApiError notFound */
  change(email: string, id: string, fields: EventChange): CalendarEvent {
    const event = this.of(email).find((candidate) => candidate.id === id)
    if (!event) throw new ApiError(404, 'notFound', 'Not Found')
    Object.assign(event, fields, { etag: newTag() })
    return event
  }

  clear(): void {
    this.#events.clear()
  }
}

const newTag = () => `"${randomBytes(6).toString('hex')}"`

const scope = 'calendar.events'

/** Events of https://developers.google.com/workspace/calendar/api/v3/reference/events. */
export function calendarRoutes(provider: Provider): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
  const find = (email: string, id: string) => {
    const event = provider.calendars.of(email).find((candidate) => candidate.id === id)
    if (!event) throw new ApiError(404, 'notFound', 'Not Found')
    if (event.status === 'cancelled') throw new ApiError(410, 'deleted', 'Resource has been deleted')
    return event
  }
  app.use('/calendars/:calendar/events/*', scoped(provider, scope))
  app.use('/calendars/:calendar/events', scoped(provider, scope))
  app.use('/calendars/:calendar/*', async (c, next) => {
    if (!['primary', c.get('email')].includes(c.req.param('calendar')))
      throw new ApiError(404, 'notFound', 'Not Found')
    return next()
  })
  app.get('/calendars/:calendar/events', (c) => {
    const { timeMin, timeMax, q, maxResults, pageToken } = c.req.query()
    const words = q?.toLowerCase()
    const found = provider.calendars
      .of(c.get('email'))
      .filter(({ status }) => status !== 'cancelled')
      .filter((event) => timeMin === undefined || at(event.end) > Date.parse(timeMin))
      .filter((event) => timeMax === undefined || at(event.start) < Date.parse(timeMax))
      .filter(
        ({ summary, description, location }) =>
          !words || [summary, description, location].join(' ').toLowerCase().includes(words),
      )
      .sort((a, b) => at(a.start) - at(b.start))
    const { items, nextPageToken } = pageOf(found, maxResults, pageToken, 250)
    return c.json({ kind: 'calendar#events', timeZone: 'UTC', items, nextPageToken })
  })
  app.get('/calendars/:calendar/events/:id', (c) => c.json(find(c.get('email'), c.req.param('id'))))
  app.post('/calendars/:calendar/events', async (c) =>
    c.json(provider.calendars.add(c.get('email'), parse(eventInput, await c.req.json()))),
  )
  /** What a caller saw must be what is there. */
  const match = (event: CalendarEvent, etag: string | undefined) => {
    if (etag !== undefined && etag !== event.etag)
      throw new ApiError(412, 'conditionNotMet', 'Precondition Failed')
    return event
  }
  app.patch('/calendars/:calendar/events/:id', async (c) => {
    const event = match(find(c.get('email'), c.req.param('id')), c.req.header('if-match'))
    const { start, end, ...rest } = parse(eventPatch, await c.req.json())
    const moved = { start: merged(event.start, start), end: merged(event.end, end) }
    if ('date' in moved.start !== 'date' in moved.end)
      throw new ApiError(
        400,
        'invalid',
        'The start and end times must either both be date or both be dateTime.',
      )
    return c.json(provider.calendars.change(c.get('email'), event.id, { ...rest, ...moved }))
  })
  app.delete('/calendars/:calendar/events/:id', (c) => {
    const event = match(find(c.get('email'), c.req.param('id')), c.req.header('if-match'))
    provider.calendars.change(c.get('email'), event.id, { status: 'cancelled' })
    return c.body(null, 204)
  })
  app.onError(answerError)
  return app
}

/** A patch is merged field by field; null takes one away, and a day and a time are not both. */
function merged(before: z.infer<typeof moment>, patch: z.infer<typeof patched> = {}) {
  const fields = Object.entries({ ...before, ...patch }).filter(([, value]) => value != null)
  return parse(moment, Object.fromEntries(fields))
}

const at = (when: z.infer<typeof moment>) => Date.parse('date' in when ? when.date : when.dateTime)

export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new ApiError(400, 'badRequest', z.prettifyError(parsed.error))
  return parsed.data
}
