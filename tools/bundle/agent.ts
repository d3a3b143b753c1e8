import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { bundleAgent, place, root } from './bundle.ts'

// Makes the artifact that hosts install: dist/yourclaw-agent-VERSION-linux-x64.tar.gz and its .sha256. In it is one
// folder with the agent, its commands and the Node that runs them; nothing else is needed but Linux with glibc.
//   pnpm build:agent [--version 1.2.3] [--out DIR] [--unpacked]
// --unpacked leaves the folder and makes no archive, for an image.

const run = promisify(execFile)
const { version: packageVersion } = JSON.parse(await readFile(join(root, 'host-agent/package.json'), 'utf8'))
const { values } = parseArgs({
  options: {
    version: { type: 'string', default: packageVersion },
    out: { type: 'string', default: join(root, 'dist') },
    unpacked: { type: 'boolean', default: false },
  },
})
const { version, out } = values
// It becomes a folder's name on hosts.
if (!/^\d+\.\d+\.\d+[0-9a-z.-]*$/.test(version)) throw new Error(`${version} is not a version such as 1.2.3`)

const folder = `yourclaw-agent-${version}`
const archive = `${folder}-linux-x64.tar.gz`
const work = join(out, folder)
const verbs = ['enroll', 'renew', 'doctor', 'uninstall']

await mkdir(out, { recursive: true })
const programs = verbs.map((verb) => `src/cli/${verb}.ts`)
await bundleAgent(version, work, programs)
await place('host-agent/bin/yourclaw-agent', join(work, 'bin/yourclaw-agent'))
await place('node_modules/node/bin/node', join(work, 'bin/node'))
// The one library of Node's that a minimal Debian lacks comes from the machine that builds.
const { stdout: libraries } = await run('ldd', [join(work, 'bin/node')])
const libatomic = /libatomic\.so\.1 => (\S+)/.exec(libraries)?.[1]
if (libatomic === undefined) throw new Error('libatomic.so.1 is not on this machine (Debian: libatomic1)')
await mkdir(join(work, 'native'))
await copyFile(libatomic, join(work, 'native/libatomic.so.1'))
await run('chmod', ['-R', 'u=rwX,go=rX', work])
await chmod(join(work, 'bin/node'), 0o755)
if (values.unpacked) {
  console.log(work)
  process.exit()
}
// The same sources make the same archive, byte for byte.
const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
await run(
  'tar',
  ['--create', '--use-compress-program=gzip -n6', '--file', archive, ...reproducible, folder],
  { cwd: out },
)
await rm(work, { recursive: true })

const digest = createHash('sha256')
  .update(await readFile(join(out, archive)))
  .digest('hex')
await writeFile(join(out, `${archive}.sha256`), `${digest}  ${archive}\n`)
console.log(join(out, archive))
