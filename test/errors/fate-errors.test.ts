import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { WireCloseCode } from '../../lib/errors/close-codes'
import { fateUnknown, mayBeRepeated, notSent, reasonOfEnd, timeoutError } from '../../lib/errors/fate-errors'
import { TokenError, type TokenErrorCode } from '../../lib/errors/token-error'
import { ROOT } from '../helpers/program'

const UNKNOWN = [
  ...(['aborted', 'close-timeout', 'closed', 'connection-lost', 'destroyed', 'peer-closed'] as const),
  ...(['refused', 'session-lost', 'timeout', 'unanswered'] as const)
]
const NOT_SENT = [
  ...([
    'aborted',
    'close-timeout',
    'closed',
    'connection-lost',
    'destroyed',
    'dropped',
    'memory-lost'
  ] as const),
  ...(['never-connected', 'outbox-full', 'peer-closed', 'refused', 'session-lost', 'stream-cut'] as const),
  ...(['stream-failed', 'timeout', 'too-many-requests', 'unreachable'] as const)
]

/** The reasons in the table of a section of docs/errors.md. */
function reasonsOf(code: TokenErrorCode): string[] {
  const page = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')
  const section = page.split(`\n## \`${code}\`\n`)[1]?.split('\n## ')[0] ?? ''
  return [...section.matchAll(/^\| `'([\w-]+)'` \|/gm)].map(match => match[1] as string)
}

describe('the errors that tell the fate of a token', () => {
  it('say the situation by a reason and in words, each in others', () => {
    for (const errors of [
      NOT_SENT.map(reason => notSent(reason)),
      UNKNOWN.map(reason => fateUnknown(reason))
    ])
      expect(new Set(errors.map(({ message }) => message)).size).to.equal(errors.length)
    const { code, reason, message } = notSent('outbox-full')
    expect([code, reason]).to.deep.equal(['ERR_NOT_SENT', 'outbox-full'])
    expect(message).to.equal(
      'Cannot deliver a token: the outbox is full. The peer has not processed it and never will'
    )
    expect(fateUnknown('connection-lost')).to.include({ code: 'ERR_FATE_UNKNOWN', reason: 'connection-lost' })
    expect(fateUnknown('timeout').message).to.equal(
      'Cannot tell whether a token was delivered: it left, and its timeout passed before an answer came'
    )
  })

  it('have a cause where there is one, and none otherwise', () => {
    const cause = new Error('it')
    expect([notSent('closed', cause).cause, fateUnknown('closed', cause).cause]).to.deep.equal([cause, cause])
    for (const none of [undefined, null]) expect(notSent('closed', none)).not.to.have.property('cause')
    expect(timeoutError(20)).to.include({ name: 'TimeoutError' })
    expect(timeoutError(20).message).to.include('20 ms')
  })

  it('have a row for each reason in their section of docs/errors.md, and no other', () => {
    expect(reasonsOf('ERR_NOT_SENT')).to.deep.equal(NOT_SENT)
    expect(reasonsOf('ERR_FATE_UNKNOWN')).to.deep.equal(UNKNOWN)
  })

  it('know the reason by what has ended the connection', () => {
    const reasons = {
      ERR_ABORTED: 'destroyed',
      ERR_CLOSE_TIMEOUT: 'close-timeout',
      ERR_LOST: 'connection-lost',
      ERR_PEER_CLOSED: 'connection-lost',
      ERR_REFUSED: 'refused',
      ERR_SERVER_CLOSED: 'closed',
      ERR_SESSION_LOST: 'session-lost'
    } as const
    for (const [code, reason] of Object.entries(reasons))
      expect(reasonOfEnd(new TokenError(code as TokenErrorCode, ''))).to.equal(reason)
    expect(reasonOfEnd(null)).to.equal('closed')
  })

  it('are not needed for tokens that another connection may take: not after a close because of what was sent', () => {
    const closedWith = (closeCode: WireCloseCode) => new TokenError('ERR_PEER_CLOSED', '', { closeCode })
    for (const code of [
      'drain',
      'overloaded',
      'idle-timeout',
      'internal-error',
      'certificate-expired'
    ] as const)
      expect(mayBeRepeated(closedWith(code)), code).to.equal(true)
    for (const code of ['refused', 'protocol-error', 'too-large', 'flow-control'] as const)
      expect(mayBeRepeated(closedWith(code)), code).to.equal(false)
    expect(mayBeRepeated(null)).to.equal(true)
  })
})
