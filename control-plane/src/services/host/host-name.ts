import { invalidInput } from '../../errors.ts'

/** As in DNS, at most 63 characters: it is shown, logged and typed. Throws invalid_host_name. */
export function requireHostName(name: string): void {
  if (!/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/i.test(name)) {
    throw invalidInput('That is not a host name.', 'invalid_host_name')
  }
}
