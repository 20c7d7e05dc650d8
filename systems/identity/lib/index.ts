export { JwtError, type JwtErrorCode } from './jwt-error'
export { type PeerAnswer, peerAnswer } from './peer-answer'
