import type { Provider, ProviderKey } from '@yourclaw/proto/host/v1'

/** Who calls, and with which real key; without `key` there is none for the provider. */
export interface Caller {
  assistantId: string
  key?: { value: string; isOwn: boolean }
}

/** Which real key an assistant's call leaves with. Lives in memory only and is rebuilt from every snapshot. */
export interface KeyRing {
  /** False until a snapshot came: a virtual key that is unknown till then may be a good one. */
  isFilled(): boolean
  setShared(keys: ProviderKey[]): void
  setAssistant(assistantId: string, virtualKey: string, ownKeys: ProviderKey[]): void
  dropAssistant(assistantId: string): void
  /** Whose virtual key it is. */
  holderOf(virtualKey: string): string | undefined
  /** Undefined = nobody has this virtual key; `key` is absent when there is none for the provider. */
  resolve(virtualKey: string, provider: Provider): Caller | undefined
}

export function createKeyRing(): KeyRing {
  let shared: ProviderKey[] | undefined
  const byVirtualKey = new Map<string, { assistantId: string; ownKeys: ProviderKey[] }>()

  function dropAssistant(assistantId: string): void {
    for (const [virtualKey, entry] of byVirtualKey) {
      if (entry.assistantId === assistantId) byVirtualKey.delete(virtualKey)
    }
  }
  return {
    isFilled: () => shared !== undefined,
    setShared(keys) {
      shared = keys
    },
    setAssistant(assistantId, virtualKey, ownKeys) {
      dropAssistant(assistantId)
      if (virtualKey !== '') byVirtualKey.set(virtualKey, { assistantId, ownKeys })
    },
    dropAssistant,
    holderOf: (virtualKey) => byVirtualKey.get(virtualKey)?.assistantId,
    resolve(virtualKey, provider) {
      const entry = byVirtualKey.get(virtualKey)
      if (!entry) return undefined
      const find = (keys: ProviderKey[]) => keys.find((candidate) => candidate.provider === provider)?.key
      const own = find(entry.ownKeys)
      const value = own ?? find(shared ?? [])
      const { assistantId } = entry
      return value === undefined ? { assistantId } : { assistantId, key: { value, isOwn: own !== undefined } }
    },
  }
}
