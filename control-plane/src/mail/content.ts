import type { z } from 'zod'

/** What a mail says, in plain text; the layout makes HTML and plain text of it. */
export interface MailContent {
  subject: string
  paragraphs: readonly string[]
  /** One thing to do, if there is one. */
  action?: { label: string; url: string }
  /** What comes after it. */
  closing?: readonly string[]
}

/** What every template may name. */
export interface Site {
  /** Without a slash at the end. */
  webUrl: string
}

/** `props` parses what was stored; `write` is pure, so that every attempt sends the same mail. */
export interface MailTemplate<Props extends z.ZodType = z.ZodType> {
  props: Props
  write(props: z.output<Props>, site: Site): MailContent
}

export const mailTemplate = <Props extends z.ZodType>(
  props: Props,
  write: MailTemplate<Props>['write'],
): MailTemplate<Props> => ({ props, write })
