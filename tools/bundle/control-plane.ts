import { readdir, readFile, realpath } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { bundle, place, root } from './bundle.ts'

// Makes dist/control-plane: the server, its commands, the migrations and the few packages whose files are read by name.
//   node tools/bundle/control-plane.ts

const into = join(root, 'dist/control-plane')
const { version } = JSON.parse(await readFile(join(root, 'control-plane/package.json'), 'utf8'))
const commands = (await readdir(join(root, 'control-plane/src/cli'))).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
)
const apart = { 'swagger-ui-dist': 'control-plane', '@prisma/schema-engine-wasm': 'prisma' }

/** Has native parts, which only its own folder finds. */
const native = 'sharp'

const entries = ['src/main.ts', ...commands.map((file) => `src/cli/${file}`)]
await bundle({ from: 'control-plane', entries, version, apart: [...Object.keys(apart), native] }, into)
await place('prisma/schema.prisma', join(into, 'schema.prisma'))
await place('prisma/migrations', join(into, 'migrations'))
for (const [name, owner] of Object.entries(apart)) {
  await place(`${owner}/node_modules/${name}`, join(into, 'node_modules', name))
}
// pnpm keeps a package in one folder with all that it needs, the parts for this machine among it.
const kept = dirname(await realpath(join(root, 'control-plane/node_modules', native)))
await place(relative(root, kept), join(into, 'node_modules'))
