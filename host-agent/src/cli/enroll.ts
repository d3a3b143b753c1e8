import { parseArgs } from 'node:util'
import { enroll, ensureIdentity } from '../identity/enroll.ts'
import { certificateLife } from '../identity/renewal.ts'
import { saveIdentity } from '../identity/store.ts'
import { actAsOwner } from './act-as-owner.ts'
import { run } from './run.ts'

// Makes this host's key and buys a certificate for it with JOIN_TOKEN or JOIN_TOKEN_FILE. A host that has a valid one
// keeps it and its token; --anew is for one that was revoked, whose certificate only the control plane refuses.
await run(async (env) => {
  const { values } = parseArgs({ options: { anew: { type: 'boolean', default: false } } })
  await actAsOwner(env.STATE_DIR)
  const identity = values.anew ? await enroll(env) : await ensureIdentity(env)
  if (values.anew) await saveIdentity(env.STATE_DIR, identity)
  const { notAfterMs } = certificateLife(identity.certificatePem)
  console.log(
    `${env.HOST_NAME} is enrolled; its certificate is good until ${new Date(notAfterMs).toISOString()}.`,
  )
})
