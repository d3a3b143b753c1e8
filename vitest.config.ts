import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
/** Starts one real PostgreSQL for all tests of a project. */
const database = { globalSetup: at('./prisma/src/testing-setup.ts') }

/** The pinned OpenClaw, installed once. */
const openclaw = at('./host-agent/openclaw/testing-setup.ts')
/** Tests wait more than they work: for processes, disks and timers. */
const workers = availableParallelism() + 1
/** Projects that share a machine's one engine, firewall or network interfaces: one after the other, a file at a time. */
const alone = (place: number) => ({ maxWorkers: 1, sequence: { groupOrder: place } })

interface ProjectSettings {
  maxWorkers?: number
  sequence?: { groupOrder: number }
  include?: string[]
  globalSetup?: string | string[]
  exclude?: string[]
  testTimeout?: number
  retry?: number
}

function project(
  name: string,
  folder: string,
  { exclude = [], ...more }: ProjectSettings = {},
): TestProjectConfiguration {
  return {
    test: {
      name,
      root: at(folder),
      include: ['**/*.test.ts'],
      exclude: ['**/node_modules/**', '**/build/**', '**/.svelte-kit/**', ...exclude],
      maxWorkers: workers,
      // Real databases, sockets and processes on a busy machine; a test that hangs still ends.
      testTimeout: 30_000,
      hookTimeout: 60_000,
      // So does a wait for what is to come.
      expect: { poll: { timeout: 20_000 } },
      ...more,
    },
  }
}

export default defineConfig({
  test: {
    maxWorkers: workers,
    projects: [
      project('db', './prisma', database),
      project('control-plane', './control-plane', database),
      project('host-agent', './host-agent', { globalSetup: openclaw, exclude: ['src/runtime/docker/**'] }),
      project('docker', './host-agent', { include: ['src/runtime/docker/**/*.test.ts'], ...alone(1) }),
      project('sandbox', './sandbox'),
      project('telemetry', './telemetry'),
      // Its own configuration knows Svelte.
      './web/vitest.config.ts',
      project('tools', './tools'),
      project('e2e', './e2e/src', {
        globalSetup: [database.globalSetup, openclaw],
        exclude: ['browser/**'],
      }),
      // Drives the built web; its first start builds it.
      project('browser', './e2e/src/browser', {
        globalSetup: [database.globalSetup, at('./e2e/src/browser/build.ts')],
        testTimeout: 120_000,
        ...alone(2),
        // Chromium drops what it loads when a network interface comes or goes, as Docker's do.
        retry: 1,
      }),
      project('install', './e2e/install', { ...database, ...alone(3) }),
    ],
  },
})
