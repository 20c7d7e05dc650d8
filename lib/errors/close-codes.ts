export type CodeFrame = 'close' | 'goaway'

/** What a close code means to the side that reads it (docs/wire-format.md, section 13). */
export interface CloseCodeMeaning {
  /** The code on the wire; its first byte is the class. */
  readonly number: number
  /** Whether the class asks for another dial; `seldom`: not before something was changed. */
  readonly retry: 'no' | 'backoff' | 'seldom'
  /** True when the class lets a session live on. */
  readonly keepsSession: boolean
  /** The frames in which the code may be sent. */
  readonly in: readonly CodeFrame[]
}

const CLASS_00 = { retry: 'no', keepsSession: false } as const
const CLASS_01 = { retry: 'backoff', keepsSession: true } as const
const CLASS_02 = { retry: 'backoff', keepsSession: false } as const
const CLASS_03 = { retry: 'seldom', keepsSession: true } as const
const CLASS_04 = { retry: 'seldom', keepsSession: false } as const

/**
 * Every close code of token/2. The list is closed.
 *
 * `retry` and `keepsSession` are those of the class, so that a known code and an unknown one are judged alike.
 * What the page says of single codes beyond its class is for whoever dials: `shutdown` may be retried elsewhere,
 * `drain` at once, `session-replaced` not at all.
 */
export const CLOSE_CODES = {
  normal: { number: 0x0000, ...CLASS_00, in: ['close'] },
  shutdown: { number: 0x0001, ...CLASS_00, in: ['close', 'goaway'] },
  lost: { number: 0x0100, ...CLASS_01, in: [] },
  'handshake-timeout': { number: 0x0101, ...CLASS_01, in: ['close'] },
  'heartbeat-timeout': { number: 0x0102, ...CLASS_01, in: ['close'] },
  'frame-timeout': { number: 0x0103, ...CLASS_01, in: ['close'] },
  'write-timeout': { number: 0x0104, ...CLASS_01, in: ['close'] },
  'idle-timeout': { number: 0x0105, ...CLASS_01, in: ['close'] },
  overloaded: { number: 0x0106, ...CLASS_01, in: ['close', 'goaway'] },
  drain: { number: 0x0107, ...CLASS_01, in: ['close', 'goaway'] },
  'session-replaced': { number: 0x0108, ...CLASS_01, in: ['close'] },
  'internal-error': { number: 0x0200, ...CLASS_02, in: ['close'] },
  'session-lost': { number: 0x0201, ...CLASS_02, in: ['close'] },
  'slow-consumer': { number: 0x0202, ...CLASS_02, in: ['close'] },
  'certificate-expired': { number: 0x0300, ...CLASS_03, in: ['close', 'goaway'] },
  refused: { number: 0x0400, ...CLASS_04, in: ['close'] },
  'protocol-error': { number: 0x0401, ...CLASS_04, in: ['close'] },
  'too-large': { number: 0x0402, ...CLASS_04, in: ['close'] },
  'flow-control': { number: 0x0403, ...CLASS_04, in: ['close'] },
  unsupported: { number: 0x0404, ...CLASS_04, in: ['close'] },
  'certificate-required': { number: 0x0405, ...CLASS_04, in: ['close'] },
  'certificate-unknown': { number: 0x0406, ...CLASS_04, in: ['close'] },
  'certificate-mismatch': { number: 0x0407, ...CLASS_04, in: ['close'] }
} as const satisfies Record<string, CloseCodeMeaning>

export type WireCloseCode = keyof typeof CLOSE_CODES

/** What an unknown code counts as, by its class. */
const BY_CLASS: readonly WireCloseCode[] = [
  'normal',
  'lost',
  'internal-error',
  'certificate-expired',
  'refused'
]

const BY_NUMBER: ReadonlyMap<number, WireCloseCode> = new Map(
  (Object.keys(CLOSE_CODES) as WireCloseCode[]).map(name => [CLOSE_CODES[name].number, name])
)

export function closeCodeNumber(name: WireCloseCode): number {
  return CLOSE_CODES[name].number
}

/**
 * The name of a code that was read. A code that is unknown, or that the table does not allow in this frame, counts as its
 * class says. The codec refuses `lost` (0100), which no peer may send.
 */
export function closeCodeName(number: number, frame: CodeFrame = 'close'): WireCloseCode {
  const name = BY_NUMBER.get(number)
  if (name !== undefined && (CLOSE_CODES[name].in as readonly CodeFrame[]).includes(frame)) return name
  return BY_CLASS[number >>> 8] ?? 'internal-error'
}

/** True when a code ends a connection in order: what came before it is handed out first. */
export function isOrderly(code: WireCloseCode): boolean {
  return code === 'normal' || code === 'shutdown' || code === 'drain'
}
