/** What whole-system tests use of the agent: the same start as main, in this process. */
export { type Agent, type AgentOptions, startAgent } from '../agent.ts'
export { type AgentEnv, readEnv } from '../env.ts'
/** What the simulation runs against a virtual machine and a virtual network. */
export { runSession } from '../link/session.ts'
/** What the simulation of metering crashes and repeats. */
export { openLedger } from '../metering/ledger.ts'
export { createReporter } from '../metering/reporter.ts'
export { createKeyRing } from '../model-gateway/keys.ts'
export { createReconciler } from '../reconcile/reconciler.ts'
export type { FakeFaults } from '../runtime/fake/gateway.ts'
export type { Runtime } from '../runtime/runtime.ts'
/** What the bench of hosts drives an agent with. */
export { startTestControlPlane } from './control-plane.ts'
export { startEngineTap } from './engine-tap.ts'
export { startBenchGateway } from './model-gateway.ts'
