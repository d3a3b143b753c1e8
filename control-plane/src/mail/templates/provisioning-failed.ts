import { mailTemplate } from '../content.ts'
import { addressee, greeting } from '../format.ts'

/** To a person whose assistant did not come up after its last attempt. */
export const provisioningFailed = mailTemplate(addressee, ({ name }, { webUrl }) => ({
  subject: 'Your assistant could not be set up',
  paragraphs: [
    greeting(name),
    'We tried several times to set up your assistant, and it did not come up. We were told, too, and are looking into it.',
    'You can try again yourself. What you wrote in the meantime is kept and will be answered.',
  ],
  action: { label: 'Try again', url: `${webUrl}/dashboard` },
}))
