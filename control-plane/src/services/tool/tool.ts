import type { z } from 'zod'
import type { GoogleApi } from '../../lib/google-api.ts'
import type { GoogleService } from '../integration/google-services.ts'

interface Described<I> {
  /** As the model calls it. */
  name: string
  service: GoogleService
  /** What the person must have agreed to at Google. */
  scope: string
  /** For the model. */
  description: string
  input: z.ZodType<I>
}

/** Whose tool it is. */
export interface ToolPerson {
  /** IANA name. */
  timeZone: string
}

/** Looks at something; its answer is bounded. */
export interface ReadTool<I = unknown> extends Described<I> {
  kind: 'read'
  run(api: GoogleApi, input: I, person: ToolPerson): Promise<string>
}

/** What a person is shown before they agree. */
export interface Description {
  /** Exactly what happens, in Markdown. */
  text: string
  /** What it was looked up from: when that is another one by then, nothing is done. */
  precondition?: string | undefined
}

/** What is stored with an action for its deed. */
export interface Prepared {
  reference: string | null
  precondition: string | null
}

/**
 * Sends, changes, shares or deletes something, once the person agreed. A crash may interrupt it anywhere, and it is
 * done again then: `prepare` chooses at Google what makes the second time the same deed as the first.
 */
export interface ActTool<I = unknown> extends Described<I> {
  kind: 'act'
  /** What the person calls this kind of thing: "send mail". */
  label: string
  /** Looks up what the input only names. */
  describe(api: GoogleApi, input: I, person: ToolPerson): Promise<Description>
  prepare?(api: GoogleApi, input: I): Promise<string>
  /** What the assistant is told of it. */
  run(api: GoogleApi, input: I, prepared: Prepared): Promise<string>
}

export type Tool = ReadTool | ActTool

/** The compiler cannot know that a tool's own schema read its input; here is where that is said. */
export const readTool = <I>(tool: Omit<ReadTool<I>, 'kind'>): ReadTool =>
  ({ kind: 'read', ...tool }) as ReadTool<I> as ReadTool
export const actTool = <I>(tool: Omit<ActTool<I>, 'kind'>): ActTool =>
  ({ kind: 'act', ...tool }) as ActTool<I> as ActTool
