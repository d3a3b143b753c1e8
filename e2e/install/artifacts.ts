import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must } from './machine.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const nameOf = (version: string) => `yourclaw-agent-${version}`

/** The agent as it is, as the release command makes it. */
export async function buildArtifact(version: string, folder: string): Promise<string> {
  const builder = join(root, 'tools/bundle/agent.ts')
  return must(process.execPath, [builder, '--version', version, '--out', folder])
}

/** The same agent under another version. */
export async function renameArtifact(artifact: string, version: string, folder: string): Promise<string> {
  const former = /yourclaw-agent-(.+)-linux/.exec(artifact)?.[1] ?? ''
  await must('tar', ['-xzf', artifact, '-C', folder])
  await must('mv', [join(folder, nameOf(former)), join(folder, nameOf(version))])
  const manifest = join(folder, nameOf(version), 'package.json')
  await writeFile(manifest, (await readFile(manifest, 'utf8')).replace(former, version))
  return pack(version, folder)
}

/** An agent that starts, says so, and never connects. */
export async function makeDeadArtifact(version: string, folder: string): Promise<string> {
  const place = join(folder, nameOf(version))
  await mkdir(join(place, 'bin'), { recursive: true })
  const program = '#!/bin/sh\n[ "$1" = run ] || exit 1\nsystemd-notify --ready\nexec sleep infinity\n'
  await writeFile(join(place, 'bin/yourclaw-agent'), program, { mode: 0o755 })
  await writeFile(join(place, 'package.json'), JSON.stringify({ version }))
  return pack(version, folder)
}

async function pack(version: string, folder: string): Promise<string> {
  const file = `${nameOf(version)}-linux-x64.tar.gz`
  const compress = ['--sort=name', '--use-compress-program=gzip -1']
  await must('tar', ['-c', ...compress, '-f', file, nameOf(version)], { cwd: folder })
  await rm(join(folder, nameOf(version)), { recursive: true })
  const digest = createHash('sha256')
    .update(await readFile(join(folder, file)))
    .digest('hex')
  await writeFile(join(folder, `${file}.sha256`), `${digest}  ${file}\n`)
  return join(folder, file)
}
