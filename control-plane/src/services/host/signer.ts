/** A host certificate with what has to be recorded of it. */
export interface SignedCertificate {
  certificatePem: string
  caPem: string
  /** Lower-case hex, as in host_certificates. */
  serial: string
  notAfter: Date
}

/** What host verbs need of the certificate authority. */
export interface CertificateSigner {
  /**
   * Signs the public key of a CSR as `hostId`, whatever subject the CSR asks for.
   * Throws invalid_csr when it cannot be parsed, its key is not P-256 or its own signature does not match (no proof of possession).
   */
  signHost(input: { csrPem: string; hostId: string; nowMs: number }): Promise<SignedCertificate>
}
