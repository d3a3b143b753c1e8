/** The address of a stored file, for whoever has the token. */
export const fileUrl = (base: string, attachmentId: string, token: string) =>
  `${base}/api/v1/files/${attachmentId}?token=${token}`
