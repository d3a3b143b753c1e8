/** What whole-system tests use of the agent: the same start as main, in this process. */
export { type Agent, type AgentOptions, startAgent } from '../agent.ts'
export { type AgentEnv, readEnv } from '../env.ts'
export type { FakeFaults } from '../runtime/fake/gateway.ts'
