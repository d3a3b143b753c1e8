import type { Mail } from '@yourclaw/db'
import type { MailTemplate } from '../../mail/content.ts'
import { type RenderedMail, renderMail } from '../../mail/layout.ts'
import { mailTemplates } from '../../mail/templates.ts'

/** The words of a stored mail; undefined when this release does not know its template or cannot read its props. */
export function writeMail(
  mail: Pick<Mail, 'template' | 'props'>,
  site: { webUrl: string },
): Promise<RenderedMail> | undefined {
  const template = (mailTemplates as Record<string, MailTemplate>)[mail.template]
  const props = template?.props.safeParse(mail.props)
  if (template === undefined || !props?.success) return undefined
  return renderMail(template.write(props.data, site), site)
}
