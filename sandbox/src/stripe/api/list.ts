import { z } from 'zod'
import type { AnyObject, Kind, Kinds, List, Objects } from '../objects.ts'
import { int } from './route.ts'

const range = z.strictObject({
  gt: int.optional(),
  gte: int.optional(),
  lt: int.optional(),
  lte: int.optional(),
})

/** What every list takes (https://docs.stripe.com/api/pagination). */
export const page = {
  limit: int.refine((limit) => limit >= 1 && limit <= 100, 'must be between 1 and 100').optional(),
  starting_after: z.string().optional(),
  ending_before: z.string().optional(),
  created: z.union([int, range]).optional(),
}
type Page = z.infer<z.ZodObject<typeof page>>

/** One page of a kind, newest first. */
export function listPage<K extends Kind>(
  objects: Objects,
  kind: K,
  url: string,
  input: Page,
  isMeant: (object: Kinds[K]) => boolean = () => true,
): List<Kinds[K]> {
  const all = objects
    .all(kind)
    .reverse()
    .filter((object) => isMeant(object) && wasCreated(object, input.created))
  const limit = input.limit ?? 10
  const at = (id: string, param: string) => all.indexOf(objects.get(kind, id, param))
  if (input.ending_before !== undefined) {
    const end = at(input.ending_before, 'ending_before')
    const start = Math.max(0, end - limit)
    return { object: 'list', data: all.slice(start, end), has_more: start > 0, url }
  }
  const start = input.starting_after === undefined ? 0 : at(input.starting_after, 'starting_after') + 1
  return { object: 'list', data: all.slice(start, start + limit), has_more: all.length > start + limit, url }
}

function wasCreated(object: AnyObject, when: Page['created']): boolean {
  if (when === undefined) return true
  const created = 'created' in object ? (object.created ?? 0) : 0
  if (typeof when === 'number') return created === when
  const { gt, gte, lt, lte } = when
  return (
    created > (gt ?? -1) &&
    created >= (gte ?? 0) &&
    created < (lt ?? Infinity) &&
    created <= (lte ?? Infinity)
  )
}
