export { addClients, renewServer } from './add-certs'
export { createAuthority, openAuthority } from './authority'
export { describeCertificate, isSignedBy } from './describe'
export { CertsError, type CertsErrorCode } from './errors'
export { defaultHosts } from './hosts'
export { listCerts } from './list-certs'
export { loadCertificates } from './load-certificates'
export { makeCerts } from './make-certs'
export type {
  AddClientsOptions,
  Authority,
  AuthorityOptions,
  CertificateFiles,
  CertificateInfo,
  ClientOptions,
  CrlOptions,
  FolderOptions,
  KeyAndCert,
  ListedCertificate,
  LoadedCertificates,
  MakeOptions,
  OpenOptions,
  RenewOptions,
  RenewServerOptions,
  ServerOptions,
  Usage,
  ValidityOptions
} from './types'
