/** Every reason for which this package refuses; a code is never renamed, so a `switch` over it stays true. */
export type CertsErrorCode =
  | 'ERR_CERTS_ARGUMENT'
  | 'ERR_CERTS_NAME'
  | 'ERR_CERTS_HOST'
  | 'ERR_CERTS_VALIDITY'
  | 'ERR_CERTS_AUTHORITY'
  | 'ERR_CERTS_CERTIFICATE'
  | 'ERR_CERTS_EXISTS'
  | 'ERR_CERTS_MISSING'
  | 'ERR_CERTS_FILE'

/**
 * The one error of this package. `message` reads "Cannot do this: why not (value)" and never
 * holds a key; `code` is for programs; `cause` is the error below, where there is one.
 */
export class CertsError extends Error {
  readonly code: CertsErrorCode

  constructor(code: CertsErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'CertsError'
    this.code = code
  }
}

/** A stranger's value for a message: quoted, without control characters, cut at 80 characters. */
export function quoted(value: string | number): string {
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** What an error of any kind says, for the end of another message. */
export function reasonOf(error: unknown): string {
  const { message } = (error ?? {}) as Partial<Error>
  return typeof message === 'string' ? message : String(error)
}

/** Whether an error of Node has this code. It is of another realm than this code when a test runner has loaded it. */
export function hasCode(error: unknown, code: string): boolean {
  return ((error ?? {}) as NodeJS.ErrnoException).code === code
}
