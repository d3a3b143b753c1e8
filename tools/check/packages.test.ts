import { expect, test } from 'vitest'
import { packageUses } from './packages.ts'

const stateOf = (name: string, ...sources: string[]) =>
  packageUses(sources).find((use) => use.name === name)?.state

test('an import of a package or of a part of it is a use', () => {
  expect(stateOf('hono', "import { Hono } from 'hono'")).toBe('used')
  expect(stateOf('hono', "import { cors } from 'hono/cors'")).toBe('used')
  expect(stateOf('tailwindcss', "@import 'tailwindcss';")).toBe('used')
})

test('a package whose name only starts the same is not a use', () => {
  expect(stateOf('hono', "import x from 'hono-other'")).toBe('missing')
})

test('what is still to come is pending until it is used', () => {
  expect(stateOf('stripe')).toBe('pending')
  expect(stateOf('stripe', "import Stripe from 'stripe'")).toBe('used')
})
