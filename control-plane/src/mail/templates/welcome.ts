import { plan } from '../../plan.ts'
import { mailTemplate } from '../content.ts'
import { addressee, greeting } from '../format.ts'

/** To a person who just signed up. */
export const welcome = mailTemplate(addressee, ({ name }, { webUrl }) => ({
  subject: 'Welcome to YourClaw',
  paragraphs: [
    greeting(name),
    'Your account is there. Two things are left: connect WhatsApp or Telegram, and start your trial. Your assistant then comes up by itself, usually within a minute, and answers where you already write.',
    `The trial lasts ${plan.trialDays} days. You can cancel before it ends and pay nothing.`,
  ],
  action: { label: 'Finish setting up', url: `${webUrl}/onboarding` },
}))
