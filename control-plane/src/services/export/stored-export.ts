/** Where an export lies in the store: known before it is written, so that whatever was begun can be found and removed. */
export const storedExport = (exportId: string) => `exports/${exportId}`
