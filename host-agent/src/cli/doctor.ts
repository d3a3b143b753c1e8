import { parseArgs } from 'node:util'
import { examine } from '../doctor/examine.ts'
import { run } from './run.ts'

// Says in words what is wrong with this host, and changes nothing. Status: 0 without a problem, 1 with one, 78 when the
// settings are bad. --json prints the findings for programs.
await run(async (env) => {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
  const findings = await examine(env)
  const problems = findings.filter(({ state }) => state === 'problem').length
  if (values.json) console.log(JSON.stringify({ problems, findings }, null, 2))
  else {
    for (const { check, state, words } of findings) {
      console.log(`${state.padEnd(8)} ${check.padEnd(14)} ${words.replaceAll('\n', `\n${' '.repeat(24)}`)}`)
    }
    console.log(problems === 0 ? 'No problem found.' : `Problems: ${problems}.`)
  }
  process.exitCode = problems === 0 ? 0 : 1
})
