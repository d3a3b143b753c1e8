import { expect, test } from 'vitest'
import { parseDevArgs } from './args.ts'
import { portsFrom } from './ports.ts'

test('without arguments the defaults hold', () => {
  expect(parseDevArgs([], '/home/me')).toEqual({
    runtime: 'fake',
    portBase: undefined,
    dataDir: '/home/me/.data',
  })
})

test('a port base puts the five services on ports in a row', () => {
  expect(portsFrom(parseDevArgs(['--port-base', '21000'], '/').portBase)).toEqual({
    web: 21_000,
    controlPlane: 21_001,
    grpc: 21_002,
    sandbox: 21_003,
    postgres: 21_004,
  })
})

test.each([
  [['--runtime', 'podman'], /--runtime is one of fake, process, docker/],
  [['--port-base', '80'], /--port-base is a number/],
  [['--port-base', 'x'], /--port-base is a number/],
  [['--colour'], /--colour/],
])('%j is refused with a reason', (argv, reason) => {
  expect(() => parseDevArgs(argv, '/')).toThrow(reason)
})
