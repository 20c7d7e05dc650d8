import { expect } from 'chai'
import { tidied, tlsWords } from '../../lib/errors/tls-words'

describe('tlsWords', () => {
  const table: [string, RegExp][] = [
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /does not know the authority/],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', /does not trust this side's certificate/],
    // OpenSSL 3.4 has one name for all versions.
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_UNKNOWN', /does not trust this side's certificate/],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', /has ended or does not hold yet/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /set key and cert/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', /version of TLS/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', /minVersion/]
  ]
  for (const [code, words] of table) {
    it(`says what ${code} means`, () => expect(tlsWords(code)).to.match(words))
  }

  it('has none for a code that says enough, for an unknown one, and for the name of a method', () => {
    for (const code of ['ECONNRESET', 'ERR_SSL_TLSV1_ALERT_NOT_YET_INVENTED', 'constructor', '']) {
      expect(tlsWords(code)).to.equal(null)
    }
  })
})

describe('tidied', () => {
  it('takes the newline from the end of a text of OpenSSL, in the message and in the stack', () => {
    const error = tidied(
      new Error('0A:error:0A000418:SSL routines::tlsv1 alert unknown ca:SSL alert number 48\n')
    )
    expect(error.message).to.match(/number 48$/)
    expect(error.stack).to.match(/number 48\n {4}at /)
  })

  it('leaves everything else as it is', () => {
    const error = new Error('one\ntwo')
    for (const cause of [error, null, undefined, 'text\n', { message: 7 }])
      expect(tidied(cause)).to.equal(cause)
    expect(error.message).to.equal('one\ntwo')
  })
})
