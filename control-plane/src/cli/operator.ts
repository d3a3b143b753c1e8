import { runOperator } from './operator/run.ts'

// What an operator does, on a machine that has the control plane's environment (DATABASE_URL above all): the same verbs
// as /api/v1/operator. `help` lists them.
process.exitCode = await runOperator({
  argv: process.argv.slice(2),
  env: process.env,
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
})
