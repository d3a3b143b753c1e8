import { X509Certificate } from 'node:crypto'
import { certificateLife } from '../identity/renewal.ts'
import { loadIdentity } from '../identity/store.ts'
import { type Check, findingsOf, wordsOf } from './finding.ts'

const { ok, warning, problem } = findingsOf('certificate')
const joinAnew = 'Make a join token for this host’s name and run: yourclaw-agent enroll'

/** This host is enrolled, and its certificate is renewed in time. */
export function checkCertificate(stateDir: string, nowMs: () => number): Check {
  return async () => {
    let pem: string | undefined
    try {
      pem = (await loadIdentity(stateDir))?.certificatePem
    } catch (error) {
      return [problem(`${wordsOf(error)}.\nRun it as root, or as the agent’s user.`)]
    }
    if (pem === undefined) return [problem(`This host has not joined.\n${joinAnew}`)]
    const { notAfterMs, renewAtMs } = certificateLife(pem)
    const until = new Date(notAfterMs).toISOString()
    if (nowMs() >= notAfterMs) return [problem(`The certificate ended at ${until}.\n${joinAnew}`)]
    if (nowMs() >= renewAtMs) {
      return [
        warning(`The certificate should have been renewed and ends at ${until}.\nIs the agent connected?`),
      ]
    }
    return [ok(`The certificate ${new X509Certificate(pem).serialNumber} is good until ${until}.`)]
  }
}
