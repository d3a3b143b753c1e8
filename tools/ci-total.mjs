// Adds up a CI run. The last line it prints is exactly "N passed, M failed"; it exits 1 when M is not 0.
// usage: node tools/ci-total.mjs VITEST_JSON VITEST_STATUS SMOKE_JSON SMOKE_STATUS CHECK_STATUS DOCKER_STATUS
import { readFileSync } from 'node:fs'

/** Whoever leaves no report has not passed, whatever its status. */
const noReport = { passed: 0, failed: 1 }

const [vitestFile, vitestStatus, smokeFile, smokeStatus, checkStatus, dockerStatus] = process.argv.slice(2)
const parts = [
  atLeastOneFailure(countTests(readJson(vitestFile)), vitestStatus),
  atLeastOneFailure(readJson(smokeFile) ?? noReport, smokeStatus),
  step(checkStatus),
  step(dockerStatus),
]
const passed = parts.reduce((sum, part) => sum + part.passed, 0)
const failed = parts.reduce((sum, part) => sum + part.failed, 0)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

/** A program without a report of its own. */
function step(status) {
  return status === '0' ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/** A file that cannot be loaded has no tests to count, and counts as one failure itself. */
function countTests(report) {
  if (report === undefined) return noReport
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded.length }
}

/** A program that failed without a failing test (a crash, an unhandled rejection) still counts. */
function atLeastOneFailure(count, status) {
  return status !== '0' && count.failed === 0 ? { ...count, failed: 1 } : count
}

/** Undefined when the program died before it wrote its report. */
function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
