import type { Account } from '../account.ts'
import { type AnyObject, listOf } from '../objects.ts'
import { invalid } from './errors.ts'

type Tree = Record<string, unknown>

/** Fields that an answer has only when they are asked for. */
const includable: Record<string, (account: Account, id: string) => unknown> = {
  'customer.subscriptions': ({ objects }, id) =>
    listOf(
      `/v1/customers/${id}/subscriptions`,
      objects.all('subscription').filter(({ customer, ended_at }) => customer === id && ended_at === null),
    ),
  'invoice.payments': ({ objects }, id) =>
    listOf(
      '/v1/invoice_payments',
      objects.all('invoice_payment').filter(({ invoice }) => invoice === id),
    ),
  'charge.refunds': ({ objects }, id) =>
    listOf(
      `/v1/charges/${id}/refunds`,
      objects.all('refund').filter(({ charge }) => charge === id),
    ),
}
/** Stored with the object, shown only when asked for. */
const hidden: Record<string, string[]> = { 'checkout.session': ['line_items'] }

/**
 * The answer as the caller asked for it: ids along each path replaced by their objects.
 * @throws StripeError for a field that holds no object
 */
export function expanded(account: Account, answer: object, paths: string[]): object {
  const shown = visible(structuredClone(answer), paths)
  for (const path of paths) {
    if (path.split('.').length > 4)
      throw invalid(`You cannot expand more than 4 levels of a property. (${path})`)
    walk(account, shown, path.split('.'), path)
  }
  return shown
}

function visible(value: unknown, paths: string[] = []): Tree {
  const tree = value as Tree
  const rows = tree.object === 'list' ? (tree.data as Tree[]) : [tree]
  for (const row of rows) {
    for (const field of hidden[String(row.object)] ?? []) {
      const isAsked = paths.some((path) => path.split('.').includes(field))
      if (!isAsked) delete row[field]
    }
  }
  return tree
}

function walk(account: Account, value: unknown, path: string[], whole: string): void {
  const [field, ...rest] = path
  if (field === undefined || value === null) return
  if (Array.isArray(value)) {
    for (const inner of value) walk(account, inner, path, whole)
    return
  }
  const tree = value as Tree
  const include = includable[`${String(tree.object)}.${field}`]
  if (include && tree[field] === undefined) tree[field] = structuredClone(include(account, String(tree.id)))
  if (!(field in tree)) throw invalid(`This property cannot be expanded (${whole}).`, { param: 'expand' })
  tree[field] = replaced(account, tree[field], whole)
  walk(account, tree[field], rest, whole)
}

function replaced(account: Account, value: unknown, whole: string): unknown {
  if (Array.isArray(value)) return value.map((inner) => replaced(account, inner, whole))
  if (typeof value !== 'string') return value
  const found: AnyObject | undefined = account.objects.find(value)
  if (!found) throw invalid(`This property cannot be expanded (${whole}).`, { param: 'expand' })
  return visible(structuredClone(found), [whole])
}
