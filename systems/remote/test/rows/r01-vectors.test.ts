import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AEAD_ChaCha20Poly1305 } from '@panva/hpke-noble'
import { expect } from 'chai'
import { AEAD_AES_128_GCM, CipherSuite, I2OSP, type KDF, LabeledExpand, LabeledExtract } from 'hpke'
import { concat, utf8 } from '../../lib/encoding/bytes'
import { builds } from '../helpers/builds'
import { fixedKem } from '../helpers/fixed-kem'
import { hex, unhex } from '../helpers/hex'
import { refused } from '../helpers/sealed-pair'
import { agree, hasWycheproof, openWycheproof } from '../helpers/wycheproof'

interface Rfc9180Vector {
  readonly mode: 0 | 1
  readonly aead_id: 1 | 2 | 3
  readonly info: string
  readonly ikmE: string
  readonly ikmR: string
  readonly pkRm: string
  readonly skRm: string
  readonly psk: string
  readonly psk_id: string
  readonly enc: string
  readonly encryptions: readonly { sequence: number; pt: string; aad: string; ct: string }[]
  readonly exports: readonly { exporter_context: string; L: number; exported_value: string }[]
}

const { vectors } = JSON.parse(
  readFileSync(join(__dirname, '../../../test/sealing/vectors/rfc9180.json'), 'utf8')
) as { vectors: readonly Rfc9180Vector[] }

/** What no build seals with, but the RFC prints. */
const AEADS = { 1: AEAD_AES_128_GCM, 3: AEAD_ChaCha20Poly1305 } as const
const MODES = { 0: 'base', 1: 'PSK' } as const

for (const [name, { kem, kdf, aead }] of Object.entries(builds))
  describe(`R1: by ${name},`, () => {
    for (const vector of vectors)
      it(`the vectors of RFC 9180 come out, mode ${MODES[vector.mode]}, AEAD ${vector.aead_id}`, async () => {
        const sealing = vector.aead_id === 2 ? aead : AEADS[vector.aead_id]
        const suite = new CipherSuite(fixedKem(kem, [unhex(vector.ikmE)]), kdf, sealing)
        const options = { info: unhex(vector.info), psk: unhex(vector.psk), pskId: unhex(vector.psk_id) }
        const keys = await suite.DeriveKeyPair(unhex(vector.ikmR), true)
        expect(hex(await suite.SerializePublicKey(keys.publicKey))).to.equal(vector.pkRm)
        expect(hex(await suite.SerializePrivateKey(keys.privateKey))).to.equal(vector.skRm)
        const { encapsulatedSecret, ctx } = await suite.SetupSender(keys.publicKey, options)
        expect(hex(encapsulatedSecret)).to.equal(vector.enc)
        const privateKey = await suite.DeserializePrivateKey(unhex(vector.skRm), true)
        const recipient = await suite.SetupRecipient(privateKey, encapsulatedSecret, options)
        const pt = vector.encryptions[0]?.pt ?? ''
        const sealed = new Map<number, string>()
        for (let sequence = 0; sequence <= 256; sequence++) {
          const aad = utf8(`Count-${sequence}`)
          const bytes = await ctx.Seal(unhex(pt), aad)
          expect(hex(await recipient.Open(bytes, aad))).to.equal(pt)
          sealed.set(sequence, hex(bytes))
        }
        for (const { sequence, ct } of vector.encryptions) expect(sealed.get(sequence)).to.equal(ct)
        for (const { exporter_context, L, exported_value } of vector.exports) {
          expect(hex(await ctx.Export(unhex(exporter_context), L))).to.equal(exported_value)
          expect(hex(await recipient.Export(unhex(exporter_context), L))).to.equal(exported_value)
        }
      })

    if (!hasWycheproof) return

    it("Wycheproof's AES-256-GCM agrees", async () => {
      const tests = openWycheproof('aes_gcm_test.json').filter(
        ({ group }) => group.keySize === 256 && group.ivSize === 96 && group.tagSize === 128
      )
      const made = aead()
      await agree(tests, async ({ key, iv, aad, msg, ct, tag, result }) => {
        const sealed = concat(unhex(ct), unhex(tag))
        const opened = made.Open(unhex(key), unhex(iv), unhex(aad), sealed).then(hex)
        if (result === 'invalid') return refused(opened)
        const same = hex(await made.Seal(unhex(key), unhex(iv), unhex(aad), unhex(msg))) === hex(sealed)
        return same && (await opened) === msg
      })
    })

    it("Wycheproof's HKDF-SHA256 agrees", async () => {
      const made = kdf()
      await agree(openWycheproof('hkdf_sha256_test.json'), async ({ ikm, salt, info, size, okm, result }) => {
        const prk = await made.Extract(unhex(salt), unhex(ikm))
        const out = made.Expand(prk, unhex(info), size).then(hex)
        return result === 'invalid' ? refused(out) : (await out) === okm
      })
    })

    it("Wycheproof's X25519 agrees, and a shared secret of zeros is refused", async () => {
      const suite = new CipherSuite(kem, kdf, aead)
      const made = kem()
      await agree(openWycheproof('x25519_test.json'), async test => {
        const privateKey = await suite.DeserializePrivateKey(unhex(test.private), true)
        const enc = unhex(test.public)
        const secret = made.Decap(enc, privateKey, undefined).then(hex)
        if (/^0*$/.test(test.shared)) return refused(secret)
        return (await secret) === hex(await extractAndExpand(kdf(), unhex(test.shared), enc, test.private))
      })
    })
  })

/** RFC 9180, section 4.1. */
async function extractAndExpand(
  kdf: KDF,
  shared: Uint8Array,
  enc: Uint8Array,
  privateKey: string
): Promise<Uint8Array> {
  const suiteId = concat(utf8('KEM'), I2OSP(0x20, 2))
  const prk = await LabeledExtract(kdf, suiteId, new Uint8Array(), utf8('eae_prk'), shared)
  const context = concat(enc, publicKeyOf(unhex(privateKey)))
  return await LabeledExpand(kdf, suiteId, prk, utf8('shared_secret'), context, 32)
}

function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), privateKey])
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(-32))
}
