export { type Ran, RemoteError, type RemoteErrorCode, type RemoteErrorDetails } from './errors/remote-error'
