import { type Ctx, inTransaction } from '../../context.ts'
import { pinnedImage, requireDigest } from '../assistant/image.ts'

export interface PinImageInput {
  /** By digest; null = what each host runs by default. */
  image: string | null
  /** For the audit. */
  reason: string
  /** "operator:<email>" */
  actor: string
}

/** Says what new assistants run; those that are there go on until `rollImage`. Errors: invalid_image (400). */
export function pinImage({ ctx, input }: { ctx: Ctx; input: PinImageInput }): Promise<{ changed: boolean }> {
  const { image, reason, actor } = input
  if (image !== null) requireDigest(image)
  return inTransaction(ctx, async (tx) => {
    if ((await pinnedImage(tx)) === image) return { changed: false }
    await tx.assistantImage.create({ data: { image, pinnedBy: actor } })
    await tx.auditEvent.create({
      data: { actor, action: 'image.pinned', subject: 'fleet', data: { image, reason } },
    })
    return { changed: true }
  })
}
