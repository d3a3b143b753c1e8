/** Where what a host hands over lies in the store. */
export const storedArchive = (operationId: string) => `operations/${operationId}`
