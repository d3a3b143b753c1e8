import 'reflect-metadata'
import { KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { json } from 'node:stream/consumers'
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import {
  BasicConstraintsExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import {
  type AgentMessage,
  type HandOverControl,
  type HandOverEvent,
  type Hello,
  HostServiceService,
  type ServerMessage,
  type TurnControl,
  type TurnEvent,
} from '@yourclaw/proto/host/v1'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
type Session = ServerDuplexStream<AgentMessage, ServerMessage>
type HandOverCall = ServerDuplexStream<HandOverEvent, HandOverControl>
type TurnCall = ServerDuplexStream<TurnEvent, TurnControl>

/** A queue that tests await instead of sleeping. */
export function createInbox<T>() {
  const items: T[] = []
  let wake: () => void = () => {}
  return {
    push(item: T) {
      items.push(item)
      wake()
    },
    waiting: () => items.length,
    /** The next item that fits; those before it are dropped. */
    async next(fits: (item: T) => boolean = () => true): Promise<T> {
      for (;;) {
        for (let item = items.shift(); item !== undefined; item = items.shift()) if (fits(item)) return item
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}

export interface TestControlPlaneOptions {
  /** Of the certificates it signs. */
  lifeMs?: number
  sessionTimeoutMs?: number
  /** Says GoAway before it answers a renewal: the agent must store what comes, and use it, all the same. */
  renewalSendsAway?: boolean
  /** What it says it can do; as of the first release unless given. */
  capabilities?: string[]
}

/** One authority, one enrollment route and one gRPC server with mutual TLS: what an agent sees of a control plane. */
export async function startTestControlPlane({
  lifeMs = 24 * 3600_000,
  sessionTimeoutMs = 5_000,
  renewalSendsAway = false,
  capabilities = ['heartbeat-ack'],
}: TestControlPlaneOptions = {}) {
  const newKeys = () => crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const caKeys = await newKeys()
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=test-ca',
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true)],
  })
  const sign = (subject: string, publicKey: CryptoKey, extensions: SubjectAlternativeNameExtension[] = []) =>
    X509CertificateGenerator.create({
      subject,
      issuer: ca.subject,
      publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 1000),
      notAfter: new Date(Date.now() + lifeMs),
      extensions,
    })
  const caPem = ca.toString('pem')
  const serverKeys = await newKeys()
  const dns = new SubjectAlternativeNameExtension([{ type: 'dns', value: 'control-plane.yourclaw.internal' }])
  const serverCert = await sign('CN=server', serverKeys.publicKey, [dns])
  const certify = async (csrPem: string) => {
    const csr = new Pkcs10CertificateRequest(csrPem)
    return (await sign('CN=host', await csr.publicKey.export())).toString('pem')
  }

  const sessions = createInbox<{ call: Session; hello: Hello; epoch: bigint; serial: string | undefined }>()
  const said = createInbox<AgentMessage>()
  const turnCalls = createInbox<{ call: TurnCall; events: ReturnType<typeof createInbox<TurnEvent>> }>()
  const handOvers = createInbox<{
    call: HandOverCall
    events: ReturnType<typeof createInbox<HandOverEvent>>
  }>()
  let epoch = 0n
  let renewals = 0
  let silent = false
  let newest: Session | undefined

  const grpc = new Server()
  grpc.addService(HostServiceService, {
    session(call: Session) {
      call.on('error', () => {})
      call.on('end', () => call.end())
      call.on('data', (message: AgentMessage) => {
        said.push(message)
        if (message.body?.$case === 'heartbeat' && !silent) {
          call.write({ seq: 0n, ack: message.seq, body: undefined })
        }
        if (message.body?.$case !== 'hello') return
        epoch += 1n
        newest = call
        const welcome = {
          sessionEpoch: epoch,
          protocolVersion: 1,
          capabilities,
          heartbeatIntervalMs: 50,
          sessionTimeoutMs,
        }
        call.write({ seq: 1n, ack: 1n, body: { $case: 'welcome', welcome } })
        const serial = call.getAuthContext().sslPeerCertificate?.serialNumber
        sessions.push({ call, hello: message.body.hello, epoch, serial })
      })
    },
    runTurn(call: TurnCall) {
      const events = createInbox<TurnEvent>()
      call.on('error', () => {})
      call.on('data', events.push)
      turnCalls.push({ call, events })
    },
    handOver(call: HandOverCall) {
      const events = createInbox<HandOverEvent>()
      call.on('error', () => {})
      call.on('end', () => call.end())
      call.on('data', events.push)
      handOvers.push({ call, events })
    },
    renew(
      call: { request: { csrPem: string } },
      done: (error: null, answer: { certificatePem: string; caPem: string }) => void,
    ) {
      renewals += 1
      if (renewalSendsAway) {
        const body = { $case: 'goAway', goAway: { reason: 'certificate_renewed' } } as const
        newest?.write({ seq: 2n, ack: 1n, body })
      }
      void certify(call.request.csrPem).then((certificatePem) => done(null, { certificatePem, caPem }))
    },
  })
  const serverKey = KeyObject.from(serverKeys.privateKey).export({ type: 'pkcs8', format: 'pem' })
  const pair = { private_key: Buffer.from(serverKey), cert_chain: Buffer.from(serverCert.toString('pem')) }
  const grpcPort = await new Promise<number>((resolve, reject) => {
    const tls = ServerCredentials.createSsl(Buffer.from(caPem), [pair], true)
    grpc.bindAsync('127.0.0.1:0', tls, (error, port) => (error ? reject(error) : resolve(port)))
  })

  // The agent connects through a relay of bytes, so that a test can cut the cable.
  const sockets = new Set<Socket>()
  const cable = createTcpServer((near) => {
    const far = connect(grpcPort, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    near.pipe(far).pipe(near)
  })
  await new Promise<void>((resolve) => cable.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const grpcAddress = `127.0.0.1:${(cable.address() as AddressInfo).port}`

  const enrollments: unknown[] = []
  const http = createServer(async (request, response) => {
    if (request.url === '/health') return void response.end('{}')
    const body = (await json(request)) as { csr: string; token: string }
    enrollments.push(body)
    const { csr, token } = body
    const refusal = { code: 'invalid_join_token', detail: 'That join token is not valid.' }
    if (token !== 'join') return void response.writeHead(401).end(JSON.stringify(refusal))
    const answer = { certificate: await certify(csr), ca: caPem, grpcAddress }
    response.end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    caPem,
    sessions,
    said,
    turnCalls,
    handOvers,
    renewals: () => renewals,
    /** Of the newest session. */
    epoch: () => epoch,
    /** What was sent to be enrolled. */
    enrollments,
    /** Answers no sign of life any more. */
    fallSilent() {
      silent = true
    },
    /** Breaks every connection at once. */
    cut,
    async stop() {
      cut()
      cable.close()
      grpc.forceShutdown()
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}
