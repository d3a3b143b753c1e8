import { z } from 'zod'
import { mailTemplate } from '../content.ts'

const props = z.object({ email: z.string(), kind: z.enum(['FEEDBACK', 'TOOL']), text: z.string() })

/** To operators: what somebody wrote on the page of tools, and where to answer. */
export const operatorFeedback = mailTemplate(props, ({ email, kind, text }) => ({
  subject: kind === 'TOOL' ? 'A tool is asked for' : 'Feedback',
  paragraphs: [`${email} writes:`, ...text.split(/\n+/).filter((line) => line.trim() !== '')],
}))
