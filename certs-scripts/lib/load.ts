export { CertsError, type CertsErrorCode } from './errors'
export { loadCertificates } from './load-certificates'
export type { LoadedCertificates } from './types'
