import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Bundle {
  /** The package that is bundled, as a folder of the project. */
  from: string
  /** Programs, each a file of its own name in lib/. */
  entries: string[]
  version: string
  /** Packages that stay outside, because their own files are read by name; whoever bundles places them. */
  apart?: string[]
  /** Packages that a library loads for what we never do; without them it is smaller, also in memory. */
  absent?: string[]
}

/**
 * Makes a program that needs nothing but Node: `into`/lib with all that the entries import, and the package.json that
 * says which version it is. What was in `into` before is gone.
 */
export async function bundle(
  { from, entries, version, apart = [], absent = [] }: Bundle,
  into: string,
): Promise<void> {
  await rm(into, { recursive: true, force: true })
  await build({
    cwd: join(root, from),
    input: Object.fromEntries(entries.map((entry) => [basename(entry, '.ts'), entry])),
    platform: 'node',
    logLevel: 'warn',
    // CommonJS that looks beside itself finds the bundle's folder, and there nothing; only Docker's unused parts do so.
    transform: { define: { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' } },
    external: [
      /^cpu-features$/,
      /\/build\/Release\/.*\.node$/,
      ...apart.map((name) => new RegExp(`^${name}(/|$)`)),
    ],
    plugins: [
      {
        name: 'absent',
        resolveId: (name) => (absent.includes(name) ? '\0absent' : undefined),
        load: (id) => (id === '\0absent' ? 'module.exports = {}' : undefined),
      },
    ],
    output: {
      dir: join(into, 'lib'),
      format: 'esm',
      entryFileNames: '[name].js',
      // Beside the entries: what finds a neighbour by import.meta.url finds it here as in the sources.
      chunkFileNames: '[name]-[hash].js',
    },
  })
  const { name } = JSON.parse(await readFile(join(root, from, 'package.json'), 'utf8'))
  await writeFile(
    join(into, 'package.json'),
    `${JSON.stringify({ name, version, type: 'module' }, null, 2)}\n`,
  )
}

/** A file of the project, copied with its folders made. */
export async function place(file: string, into: string): Promise<void> {
  await mkdir(join(into, '..'), { recursive: true })
  await cp(join(root, file), into, { recursive: true, dereference: true })
}

/** The host agent's programs, with what they read by name beside them. */
export async function bundleAgent(version: string, into: string, more: string[] = []): Promise<void> {
  const children = ['read-conversation', 'write-file'].map((name) => `src/runtime/docker/${name}.ts`)
  const entries = ['src/main.ts', ...children, ...more]
  // dockerode's: Docker over SSH, and image builds.
  const absent = ['ssh2', '@grpc/proto-loader', 'protobufjs']
  await bundle({ from: 'host-agent', entries, version, absent }, into)
  for (const plugin of ['channel', 'web-search'])
    await place(`host-agent/openclaw/${plugin}`, join(into, 'openclaw', plugin))
}
