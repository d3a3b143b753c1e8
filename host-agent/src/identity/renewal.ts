import { X509Certificate } from 'node:crypto'
import { Metadata } from '@grpc/grpc-js'
import type { HostServiceClient, RenewResponse } from '@yourclaw/proto/host/v1'
import { checkCertificate, createKeyAndCsr } from './keys.ts'
import type { Identity } from './store.ts'

/** When a certificate ends and when it should be renewed: at two thirds of its life. Milliseconds since the epoch. */
export function certificateLife(certificatePem: string): { notAfterMs: number; renewAtMs: number } {
  const certificate = new X509Certificate(certificatePem)
  const notBeforeMs = certificate.validFromDate.getTime()
  const notAfterMs = certificate.validToDate.getTime()
  return { notAfterMs, renewAtMs: notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3 }
}

const renewDeadlineMs = 30_000

/** A fresh key and certificate of the same host, asked for over its own connection. */
export async function renew(
  client: HostServiceClient,
  identity: Identity,
  name: string,
  caPin: string | undefined,
): Promise<Identity> {
  const { privateKeyPem, csrPem } = await createKeyAndCsr(name)
  const answer = await new Promise<RenewResponse>((resolve, reject) => {
    const options = { deadline: Date.now() + renewDeadlineMs }
    client.renew({ csrPem }, new Metadata(), options, (error, response) =>
      error ? reject(error) : resolve(response),
    )
  })
  const fresh = {
    privateKeyPem,
    certificatePem: answer.certificatePem,
    caPem: answer.caPem,
    grpcAddress: identity.grpcAddress,
  }
  checkCertificate({ ...fresh, caPin })
  return fresh
}
