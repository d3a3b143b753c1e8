import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundle, place, root } from './bundle.ts'

// Makes dist/control-plane: the server, its commands, the migrations and the few packages whose files are read by name.
//   node tools/bundle/control-plane.ts

const into = join(root, 'dist/control-plane')
const { version } = JSON.parse(await readFile(join(root, 'control-plane/package.json'), 'utf8'))
const commands = (await readdir(join(root, 'control-plane/src/cli'))).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
)
const apart = { 'swagger-ui-dist': 'control-plane', '@prisma/schema-engine-wasm': 'prisma' }

const entries = ['src/main.ts', ...commands.map((file) => `src/cli/${file}`)]
await bundle({ from: 'control-plane', entries, version, apart: Object.keys(apart) }, into)
await place('prisma/schema.prisma', join(into, 'schema.prisma'))
await place('prisma/migrations', join(into, 'migrations'))
for (const [name, owner] of Object.entries(apart)) {
  await place(`${owner}/node_modules/${name}`, join(into, 'node_modules', name))
}
