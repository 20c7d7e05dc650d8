import { nodeAead } from './node-aead'
import { nodeKdf } from './node-kdf'
import { nodeKem } from './node-kem'
import { type CipherSuite, createSuite } from './suite'

/** The one suite by node:crypto: each call of WebCrypto is a trip to another thread, which takes longer than the work itself. */
export function nodeSuite(): CipherSuite {
  return createSuite({ kem: nodeKem, kdf: nodeKdf, aead: nodeAead })
}
