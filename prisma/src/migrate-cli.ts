import { deploy, pendingChanges, writeMigrations } from './migrate.ts'

// pnpm --filter @yourclaw/db migrate deploy | diff | new <name>, on the database of DATABASE_URL
const [command, name = 'change'] = process.argv.slice(2)
const url = process.env.DATABASE_URL
if (url === undefined) throw new Error('DATABASE_URL is not set')

switch (command) {
  case 'deploy':
    console.log((await deploy(url)).join('\n') || 'up to date')
    break
  case 'diff':
    console.log((await pendingChanges(url)) ?? 'no changes')
    break
  case 'new':
    console.log((await writeMigrations(url, name, new Date())).join('\n') || 'no changes')
    break
  default:
    throw new Error(`unknown command ${command}: use deploy, diff or new <name>`)
}
process.exit(0)
