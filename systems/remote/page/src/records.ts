/** A device that this browser knows, with the key to it. Lies in localStorage: whoever can read that is in. */
export interface DeviceRecord {
  /** The device's id. */
  readonly id: string
  readonly name: string
  /** To dial: names the device. */
  readonly url: string
  /** `shared`: that of all who have the QR code; `paired`: this phone's own. */
  readonly mode: 'shared' | 'paired'
  /** 32 bytes, base64url. */
  readonly key: string
  /** To compare with those on the device, until its owner has said yes. */
  readonly words?: string | undefined
  readonly addedAt: number
  /** Milliseconds since 1970 when it last answered. */
  readonly seenAt?: number | undefined
  /** What it said last of what it can do: checked again each time it is read. */
  readonly description?: unknown
  readonly state?: KnownState | undefined
}

export interface KnownState {
  readonly value: unknown
  /** Milliseconds since 1970 when the device said it. */
  readonly at: number
}

const STORED = 'remote.devices'

/** Bytes of the stored state of one device: more is not kept. */
const MAX_STATE = 65_536

export class Records {
  readonly #listeners = new Set<() => void>()
  #all: readonly DeviceRecord[]
  /** False where the browser stores nothing, as some do in private windows. */
  isStored = true

  constructor() {
    this.#all = this.#read()
    // Another tab has changed them.
    addEventListener('storage', ({ key }) => {
      if (key !== STORED) return
      this.#all = this.#read()
      this.#tell()
    })
  }

  get all(): readonly DeviceRecord[] {
    return this.#all
  }

  get(id: string): DeviceRecord | undefined {
    return this.#all.find(record => record.id === id)
  }

  put(record: DeviceRecord): void {
    this.#write([record, ...this.#all.filter(({ id }) => id !== record.id)])
  }

  /** Does nothing when the device was forgotten meanwhile, in another tab perhaps. */
  change(id: string, part: Partial<Omit<DeviceRecord, 'id'>>): void {
    this.#write(this.#all.map(record => (record.id === id ? { ...record, ...part } : record)))
  }

  forget(id: string): void {
    this.#write(this.#all.filter(record => record.id !== id))
  }

  /** @returns what ends it */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #read(): readonly DeviceRecord[] {
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(STORED) ?? '[]')
      return Array.isArray(stored) ? stored.filter(isRecord) : []
    } catch {
      return []
    }
  }

  #write(all: readonly DeviceRecord[]): void {
    this.#all = all
    try {
      localStorage.setItem(STORED, JSON.stringify(all.map(small)))
      this.isStored = true
    } catch {
      this.isStored = false
    }
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

function isRecord(value: unknown): value is DeviceRecord {
  if (typeof value !== 'object' || value === null) return false
  const { id, name, url, key, mode } = value as Record<string, unknown>
  if (mode !== 'shared' && mode !== 'paired') return false
  return [id, name, url, key].every(field => typeof field === 'string')
}

function small(record: DeviceRecord): DeviceRecord {
  const { state, description, ...rest } = record
  const isSmall = (value: unknown) => (JSON.stringify(value) ?? '').length <= MAX_STATE
  return {
    ...rest,
    ...(isSmall(description) && { description }),
    ...(isSmall(state?.value) && { state })
  }
}
