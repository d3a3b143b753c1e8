import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Ctx } from '../../context.ts'
import { invalidInput } from '../../errors.ts'
import { enrollHost } from '../../services/host/enroll-host.ts'
import type { CertificateSigner } from '../../services/host/signer.ts'

const enroll = createRoute({
  method: 'post',
  path: '/hosts/enroll',
  tags: ['hosts'],
  security: [],
  summary: 'Enroll a host with a join token',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.object({
            token: z.string().min(1).max(200),
            csr: z.string().max(16_384),
            name: z.string().regex(/^[^\p{Cc}\p{Cs}]{1,63}$/u, 'is 1 to 63 printable characters'),
            caPin: z
              .string()
              .regex(/^sha256:[0-9a-f]{64}$/)
              .optional()
              .openapi({ description: 'The authority the host trusts; any other answers 409' }),
          }),
        },
      },
    },
  },
  responses: {
    200: {
      description: 'The host’s certificate (24 h), the authority, and where to connect',
      content: {
        'application/json': {
          schema: z.object({ certificate: z.string(), ca: z.string(), grpcAddress: z.string() }),
        },
      },
    },
  },
})

/** The one route that takes a join token in place of a signed-in user. */
export function hostRoutes(deps: { ctx: Ctx; signer: CertificateSigner; grpcAddress: string }) {
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw invalidInput(z.prettifyError(result.error))
    },
  })
  return app.openapi(enroll, async (c) => {
    const { token, csr, name, caPin } = c.req.valid('json')
    const signed = await enrollHost({
      ctx: deps.ctx,
      signer: deps.signer,
      input: { token, csrPem: csr, name, caPin },
    })
    return c.json(
      { certificate: signed.certificatePem, ca: signed.caPem, grpcAddress: deps.grpcAddress },
      200,
    )
  })
}
