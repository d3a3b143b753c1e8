import type { z } from 'zod'
import type { MailTemplate } from './content.ts'
import { accountDeleted } from './templates/account-deleted.ts'
import { assistantReady } from './templates/assistant-ready.ts'
import { assistantSuspended } from './templates/assistant-suspended.ts'
import { deletionAhead } from './templates/deletion-ahead.ts'
import { exportReady } from './templates/export-ready.ts'
import { operatorAlert } from './templates/operator-alert.ts'
import { operatorNewSubscriber } from './templates/operator-new-subscriber.ts'
import { operatorProvisioningFailed } from './templates/operator-provisioning-failed.ts'
import { paymentFailed } from './templates/payment-failed.ts'
import { provisioningFailed } from './templates/provisioning-failed.ts'
import { subscriptionCanceled } from './templates/subscription-canceled.ts'
import { subscriptionConfirmed } from './templates/subscription-confirmed.ts'
import { trialEnding } from './templates/trial-ending.ts'
import { welcome } from './templates/welcome.ts'

/** All mail we send. Names are stored: what waits for its sending must be found after a release. */
export const mailTemplates = {
  'account-deleted': accountDeleted,
  'assistant-ready': assistantReady,
  'assistant-suspended': assistantSuspended,
  'deletion-ahead': deletionAhead,
  'export-ready': exportReady,
  'operator-alert': operatorAlert,
  'operator-new-subscriber': operatorNewSubscriber,
  'operator-provisioning-failed': operatorProvisioningFailed,
  'payment-failed': paymentFailed,
  'provisioning-failed': provisioningFailed,
  'subscription-canceled': subscriptionCanceled,
  'subscription-confirmed': subscriptionConfirmed,
  'trial-ending': trialEnding,
  welcome,
} satisfies Record<string, MailTemplate>

export type MailName = keyof typeof mailTemplates
export type MailProps<Name extends MailName> = z.input<(typeof mailTemplates)[Name]['props']>
