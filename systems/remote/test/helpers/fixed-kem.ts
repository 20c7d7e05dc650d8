import type { KEMFactory } from 'hpke'

/** A KEM whose fresh key pairs come from a list, one after the other, so that what it makes can be compared byte for byte. */
export function fixedKem(kem: KEMFactory, ikms: readonly Uint8Array[]): KEMFactory {
  let next = 0
  return () => {
    const made = kem()
    return {
      ...made,
      GenerateKeyPair: extractable => {
        const ikm = ikms[next++]
        if (ikm === undefined) throw new Error('the list of key pairs is used up')
        return made.DeriveKeyPair(ikm, extractable)
      }
    }
  }
}
