import { createFirewall } from '../runtime/docker/firewall.ts'
import { removeAssistants } from '../runtime/docker/removal.ts'
import { run } from './run.ts'

// Takes away what the docker runtime made on this host: containers, networks, firewall rules. Data and identity stay.
// Run it with the agent's environment, after the agent was stopped.
await run(async (env) => {
  await removeAssistants(env.ASSISTANT_DATA_DIR)
  await createFirewall({ tenantSubnet: env.TENANT_SUBNET }).remove()
  console.log(`Containers, networks and firewall rules are gone; ${env.ASSISTANT_DATA_DIR} stays.`)
})
