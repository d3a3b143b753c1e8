import { expect, test } from 'vitest'
import { unusedPackages } from './packages.ts'

test('an import of a package or of a part of it is a use', () => {
  expect(unusedPackages(["import { Hono } from 'hono'"])).not.toContain('hono')
  expect(unusedPackages(["import { cors } from 'hono/cors'"])).not.toContain('hono')
  expect(unusedPackages(["@import 'tailwindcss';"])).not.toContain('tailwindcss')
})

test('a package whose name only starts the same is not a use', () => {
  expect(unusedPackages(["import x from 'hono-other'"])).toContain('hono')
})
