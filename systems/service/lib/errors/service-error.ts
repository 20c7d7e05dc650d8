/** Each code has a section in `docs/errors.md`. */
export type ServiceErrorCode =
  | 'ERR_ADMIN'
  | 'ERR_BUS_CLOSED'
  | 'ERR_BUS_MESSAGE'
  | 'ERR_CERTIFICATES'
  | 'ERR_CONFIG'
  | 'ERR_OPTION'

/** Why a service can't do something. The message never holds a secret. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code: ServiceErrorCode

  constructor(code: ServiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function wrongOption(name: string, why: string): ServiceError {
  return new ServiceError('ERR_OPTION', `Cannot use the option ${name}: because ${why}`)
}
