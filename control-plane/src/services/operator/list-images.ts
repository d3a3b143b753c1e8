import type { Ctx } from '../../context.ts'
import { pinnedImage } from '../assistant/image.ts'

export interface ImageView {
  /** null = what each host runs by default. */
  image: string | null
  /** New assistants run it. */
  isPinned: boolean
  /** Assistants that are to run it. */
  assistants: number
}

/** What assistants run, the pinned one first. */
export async function listImages({ ctx }: { ctx: Ctx }): Promise<ImageView[]> {
  const pinned = await pinnedImage(ctx.db)
  const counted = await ctx.db.assistant.groupBy({
    by: ['image'],
    where: { desired: 'PRESENT' },
    _count: true,
    orderBy: { _count: { id: 'desc' } },
  })
  const others = counted.filter(({ image }) => image !== pinned)
  const first = counted.find(({ image }) => image === pinned)
  return [
    { image: pinned, isPinned: true, assistants: first?._count ?? 0 },
    ...others.map(({ image, _count }) => ({ image, isPinned: false, assistants: _count })),
  ]
}
