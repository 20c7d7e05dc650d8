export type { Clock, ClockTimer } from './clock'
export { type Environment, type EnvironmentOptions, verifierOptionsOf } from './environment'
export type { Identity, IdentityKind } from './identity'
export { JwtError, type JwtErrorCode } from './jwt-error'
export type {
  IssuerOptions,
  IssuerRules,
  JwksIssuer,
  PublicKeyInput,
  PublicKeyIssuer,
  SecretIssuer,
  VerifierOptions
} from './options'
export { type PeerAnswer, peerAnswer } from './peer-answer'
export {
  createRevocations,
  type IdRevocation,
  type Revocation,
  Revocations,
  type RevocationsOptions,
  type TokenRevocation
} from './revocations'
export {
  type SignTokenOptions,
  signToken,
  type TokenClaimsOptions,
  type TokenSubject,
  tokenClaims
} from './sign-token'
export { createVerifier, type Verifier } from './verifier'
export type { Watch } from './watch'
