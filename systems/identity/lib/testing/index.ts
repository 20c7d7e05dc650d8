export {
  type ForgedForPublicKeyOptions,
  type ForgedForSecretOptions,
  type ForgedToken,
  forgedForPublicKey,
  forgedForSecret
} from './forged-tokens'
