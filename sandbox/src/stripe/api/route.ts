import type { Context } from 'hono'
import { z } from 'zod'
import type { Env } from '../../faults.ts'
import type { Account } from '../account.ts'
import { invalid } from './errors.ts'

/** One call of the API: what came in, checked, and the object of the path. */
export interface Call<T> {
  account: Account
  input: T
  id: string
}

export interface Route {
  method: 'get' | 'post' | 'delete'
  /** Below `/v1`; `:id` is the object that it is about. */
  path: string
  run(account: Account, id: string, parameters: unknown): object
}

/** A route whose parameters are all named by `shape`; any other is refused, as Stripe does. */
export function route<S extends z.ZodRawShape>(
  method: Route['method'],
  path: string,
  shape: S,
  run: (call: Call<z.infer<z.ZodObject<S>>>) => object,
): Route {
  const schema = z.strictObject(shape)
  return {
    method,
    path,
    run: (account, id, parameters) => {
      const parsed = schema.safeParse(parameters)
      if (!parsed.success) throw refusal(parsed.error.issues[0])
      return run({ account, input: parsed.data as z.infer<z.ZodObject<S>>, id })
    },
  }
}

function refusal(issue: z.core.$ZodIssue | undefined): Error {
  const path = [
    ...(issue?.path ?? []),
    ...(issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []),
  ]
  const param = path.map((part, index) => (index === 0 ? String(part) : `[${String(part)}]`)).join('')
  if (issue?.code === 'unrecognized_keys')
    return invalid(`Received unknown parameter: ${param}`, { code: 'parameter_unknown', param })
  if (issue?.code === 'invalid_type' && issue.message.includes('undefined'))
    return invalid(`Missing required param: ${param}.`, { code: 'parameter_missing', param })
  return invalid(`Invalid ${param}: ${issue?.message ?? 'not understood'}`, { param })
}

export const text = z.string().max(5_000)
/** A number; a time in seconds since 1970 as well. */
export const int = z
  .string()
  .regex(/^-?\d{1,12}$/, 'must be an integer')
  .transform(Number)
/** How many, or how much in the smallest unit. */
export const count = int.refine((value) => value >= 0, 'must be greater than or equal to 0')
export const currency = z
  .string()
  .regex(/^[a-z]{3}$/i, 'must be a three-letter code')
  .transform((code) => code.toLowerCase())
export const bool = z.enum(['true', 'false']).transform((value) => value === 'true')
/** An empty value takes what was there away. */
export const unset = z.literal('').transform(() => null)
export const metadata = z.union([z.record(z.string().max(40), z.string().max(500)), unset])
export const url = z
  .string()
  .refine(
    (value) => ['http:', 'https:'].includes(URL.parse(value)?.protocol ?? ''),
    'must be a URL that begins with http or https',
  )

/** The metadata that results: an empty value deletes its key, an empty parameter all of them. */
export function merged(old: Record<string, string>, given: Record<string, string> | null | undefined) {
  if (given === undefined) return old
  if (given === null) return {}
  return Object.fromEntries(Object.entries({ ...old, ...given }).filter(([, value]) => value !== ''))
}

/** Of what was given, all that is there: a change of an object. */
export function given<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}

/** Where the hosted pages are, as the caller sees it. */
export const pagesOf = (c: Context<Env>) => `${new URL(c.req.url).origin}/stripe`
