import { fileURLToPath } from 'node:url'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

// Apart from vite.config.ts: these tests are of plain modules and of classes with runes, and need neither SvelteKit
// nor Tailwind.
export default defineConfig({
  plugins: [svelte({ configFile: false })],
  // Our own tsconfig extends one that only `svelte-kit sync` writes; tests also run before that.
  tsconfig: fileURLToPath(new URL('../tsconfig.base.json', import.meta.url)),
  test: {
    name: 'web',
    include: ['src/**/*.test.ts'],
    environment: 'node',
    // Groups of projects must agree on their workers; this one has the default.
    sequence: { groupOrder: 4 },
  },
})
