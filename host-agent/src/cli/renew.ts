import { X509Certificate } from 'node:crypto'
import { AgentError } from '../errors.ts'
import { renew } from '../identity/renewal.ts'
import { loadIdentity, saveIdentity } from '../identity/store.ts'
import { createClient } from '../link/session.ts'
import { actAsOwner } from './act-as-owner.ts'
import { run } from './run.ts'

// A new key and certificate at once, rather than at two thirds of the old one's life. The control plane then asks the
// agent to connect again, which it does with the new one. Prints the new certificate's serial number.
await run(async (env) => {
  await actAsOwner(env.STATE_DIR)
  const identity = await loadIdentity(env.STATE_DIR)
  if (!identity) throw new AgentError('not_enrolled', 'This host has no certificate to renew: enroll it.')
  const client = createClient(identity)
  try {
    const fresh = await renew(client, identity, env.HOST_NAME, env.CONTROL_PLANE_CA_PIN)
    await saveIdentity(env.STATE_DIR, fresh)
    console.log(new X509Certificate(fresh.certificatePem).serialNumber)
  } finally {
    client.close()
  }
})
