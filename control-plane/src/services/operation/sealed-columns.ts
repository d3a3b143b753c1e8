/** Every column that the vault seals. By convention, and checked by a test, its name says "encrypted". */
export const sealedColumns: readonly SealedColumn[] = [
  { table: 'api_keys', column: 'encrypted_key', idType: 'uuid' },
  { table: 'assistants', column: 'gateway_token_encrypted', idType: 'uuid' },
  { table: 'assistants', column: 'virtual_key_encrypted', idType: 'uuid' },
  { table: 'attachments', column: 'key_encrypted', idType: 'uuid' },
  { table: 'certificate_authorities', column: 'key_encrypted', idType: 'text' },
  { table: 'exports', column: 'key_encrypted', idType: 'uuid' },
  { table: 'host_operations', column: 'key_encrypted', idType: 'uuid' },
  { table: 'user_integrations', column: 'access_token_encrypted', idType: 'uuid' },
  { table: 'user_integrations', column: 'refresh_token_encrypted', idType: 'uuid' },
]

export interface SealedColumn {
  table: string
  column: string
  /** Of the table's column `id`, its primary key. */
  idType: 'uuid' | 'text'
}
