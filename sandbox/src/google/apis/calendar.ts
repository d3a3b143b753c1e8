import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Provider } from '../provider.ts'
import { type ApiEnv, ApiError, answerError, pageOf, scoped } from './auth.ts'

const moment = z.union([
  z.object({ dateTime: z.iso.datetime({ offset: true, local: true }), timeZone: z.string().optional() }),
  z.object({ date: z.iso.date() }),
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
  attendees: z.array(z.object({ email: z.email() })).optional(),
})
export type CalendarEvent = z.infer<typeof eventInput> & { id: string; status: string; etag: string }

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
  app.patch('/calendars/:calendar/events/:id', async (c) => {
    const event = find(c.get('email'), c.req.param('id'))
    return c.json(Object.assign(event, parse(eventInput.partial(), await c.req.json()), { etag: newTag() }))
  })
  app.delete('/calendars/:calendar/events/:id', (c) => {
    find(c.get('email'), c.req.param('id')).status = 'cancelled'
    return c.body(null, 204)
  })
  app.onError(answerError)
  return app
}

const at = (when: z.infer<typeof moment>) => Date.parse('date' in when ? when.date : when.dateTime)

export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new ApiError(400, 'badRequest', z.prettifyError(parsed.error))
  return parsed.data
}
