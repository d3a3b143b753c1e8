import { z } from 'zod'
import { mailTemplate } from '../content.ts'

const props = z.object({
  assistantId: z.string(),
  host: z.string().optional(),
  code: z.string(),
  detail: z.string(),
  attempts: z.int(),
})

/** To operators. Names the assistant, not the person (S8). */
export const operatorProvisioningFailed = mailTemplate(
  props,
  ({ assistantId, host, code, detail, attempts }) => ({
    subject: `Provisioning failed: ${code}`,
    paragraphs: [
      `Assistant ${assistantId} did not come up after ${attempts} attempts${host === undefined ? '' : ` on ${host}`}.`,
      `${code}: ${detail}`,
    ],
  }),
)
