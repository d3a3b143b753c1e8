/** One direction: transports → services → lib; packages know only what they are built on. */

const services = '^control-plane/src/services/'
// Of a channel, services may know how text is rendered for it and the interface that sends; both know no provider.
const transports = '^control-plane/src/(http|fleet|jobs|channels/(?!(render|sender|split)\\.ts$))'
const roots = '^control-plane/src/(main|start|app|deps|env)\\.ts$|^control-plane/src/cli/'

module.exports = {
  forbidden: [
    {
      name: 'services-know-no-transport',
      comment: 'A verb is called by transports and never calls one; what it needs comes in as an argument.',
      severity: 'error',
      from: { path: services, pathNot: '\\.test\\.ts$' },
      to: { path: transports },
    },
    {
      name: 'nothing-imports-the-composition-root',
      severity: 'error',
      from: { path: '^control-plane/src/', pathNot: `${roots}|\\.test\\.ts$|^control-plane/src/testing/` },
      to: { path: roots, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'lib-is-the-bottom',
      severity: 'error',
      from: { path: '^control-plane/src/lib/', pathNot: '\\.test\\.ts$' },
      to: { path: `${services}|${transports}` },
    },
    {
      name: 'foundations-know-nobody',
      severity: 'error',
      from: { path: '^(proto|prisma|sandbox|telemetry)/' },
      to: { path: '^(control-plane|host-agent|web|e2e|tools|infra)/' },
    },
    {
      name: 'the-agent-knows-only-the-protocol',
      comment: 'It runs on other machines: no database, no control plane.',
      severity: 'error',
      from: { path: '^host-agent/', pathNot: '\\.test\\.ts$|/testing/' },
      to: { path: '^(control-plane|prisma|sandbox|web|e2e|tools)/' },
    },
    {
      name: 'the-control-plane-knows-no-agent',
      severity: 'error',
      from: { path: '^control-plane/', pathNot: '\\.test\\.ts$|/testing/' },
      to: { path: '^(host-agent|sandbox|web|e2e|tools)/' },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(node_modules|build|\\.svelte-kit|gen|generated)/' },
    tsPreCompilationDeps: 'specify',
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs'], conditionNames: ['import', 'default'] },
  },
}
