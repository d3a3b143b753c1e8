// A child for the supervisor's tests: says its pid, lives until SIGTERM, and outlives even that when told to.
import { spawn } from 'node:child_process'

process.on('SIGTERM', () => {
  if (process.argv.includes('--stubborn')) return
  console.log('stopped')
  process.exit(0)
})
setInterval(() => undefined, 60_000)
if (process.argv.includes('--with-grandchild')) {
  const grandchild = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 60_000)'])
  console.log(`grandchild ${grandchild.pid}`)
}
console.log(`pid ${process.pid}`)
