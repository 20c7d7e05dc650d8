import { Dialler } from '../../lib/client/dialler'
import { Outbox } from '../../lib/client/outbox'
import { TokenFlow } from '../../lib/connection/token-flow'
import { ControlQueue } from '../../lib/protocol/control-queue'
import { Receiver } from '../../lib/receiving/receiver'
import { AnswerQueue } from '../../lib/sending/answer-queue'
import { Sender } from '../../lib/sending/sender'
import { TokenSource } from '../../lib/sending/token-source'
import { Deliveries } from '../../lib/session/deliveries'
import { Session } from '../../lib/session/session'
import { SettledTokens } from '../../lib/session/settled-tokens'

/** A fault that a test puts into the library for a while. */
export interface Plant {
  readonly fault: string
  /** @returns a function that takes it out again */
  plant(): () => void
}

/** Faults that worlds must find. */
export const PLANTS: readonly Plant[] = [
  replaced(
    'a token sent again that the peer has',
    Sender.prototype,
    'rewind',
    rewind =>
      function (this: Sender, received) {
        rewind.call(this, Math.max(0, received - 1))
      }
  ),
  replaced(
    'a token not sent again that the peer lacks',
    Sender.prototype,
    'rewind',
    rewind =>
      function (this: Sender, received) {
        rewind.call(this, Math.min(received + 1, this.tokensSent))
      }
  ),
  replaced(
    'half a token left in the queue when the transport is gone',
    Receiver.prototype,
    'restart',
    () =>
      function (this: Receiver) {
        return this.tokens
      }
  ),
  replaced(
    'a promise kept by what was received instead of handed',
    Session.prototype,
    'request',
    request =>
      function (this: Session) {
        const part = request.call(this)
        return { ...part, handed: part.received }
      }
  ),
  replaced(
    'a token told not sent that was',
    Deliveries.prototype,
    'end',
    end =>
      function (this: Deliveries, sent, final, cause) {
        end.call(this, Math.max(0, sent - 1), final, cause)
      }
  ),
  replaced(
    'parts of a token longer than the peer takes',
    TokenSource.prototype,
    'take',
    take =>
      function (this: TokenSource) {
        return take.call(this)
      }
  ),
  replaced(
    'the end of a direction that the next transport does not know',
    Session.prototype,
    'faultOf',
    faultOf =>
      function (this: Session, peer, sent) {
        this.isAllHanded = false
        return faultOf.call(this, peer, sent)
      }
  ),
  replaced(
    'a token lost that a server has left over when it ended in order',
    Outbox.prototype,
    'putBack',
    putBack =>
      function (this: Outbox, tokens) {
        const [lost] = tokens.filter(({ delivery }) => delivery === null)
        putBack.call(
          this,
          tokens.filter(token => token !== lost)
        )
      }
  ),
  replaced(
    'what a server has left over sent in another order',
    Outbox.prototype,
    'putBack',
    putBack =>
      function (this: Outbox, tokens) {
        putBack.call(this, [...tokens].reverse())
      }
  ),
  replaced(
    'a session looked for at a server that never had it',
    Dialler.prototype,
    'arrived',
    () => () => {}
  ),
  replaced('a session that waits for its client, who has ended it', Session.prototype, 'end', () => () => {}),
  replaced(
    'an answer to the wrong number',
    Deliveries.prototype,
    'answer',
    give =>
      function (this: Deliveries, number, answer) {
        give.call(this, this.isAsked(number + 1) ? number + 1 : number, answer)
      }
  ),
  replaced(
    'a token settled twice',
    SettledTokens.prototype,
    'add',
    add =>
      function (this: SettledTokens, number, handed) {
        const once = add.call(this, number, handed)
        return once === handed ? once : add.call(this, once + 1, once)
      }
  ),
  replaced(
    'a count of settled tokens that passes an answer which is not written',
    TokenFlow.prototype,
    'settle',
    settle =>
      function (this: TokenFlow, token, outcome) {
        settle.call(this, token, outcome)
        this.session.settle(token.number)
      }
  ),
  replaced(
    'an answer written again that the peer has confirmed',
    AnswerQueue.prototype,
    'rewind',
    rewind =>
      function (this: AnswerQueue, count) {
        try {
          rewind.call(this, count - 1)
        } catch {
          rewind.call(this, count)
        }
      }
  ),
  replaced(
    'an answer not written again that the peer lacks',
    AnswerQueue.prototype,
    'rewind',
    rewind =>
      function (this: AnswerQueue, count) {
        try {
          rewind.call(this, count + 1)
        } catch {
          rewind.call(this, count)
        }
      }
  ),
  replaced(
    'the tokens that handlers have begun, of which CLOSE does not tell',
    ControlQueue.prototype,
    'say',
    say =>
      function (this: ControlQueue, frame) {
        if (frame.type !== 'begun') say.call(this, frame)
      }
  ),
  replaced(
    'the failure of a handler that nobody is told',
    Deliveries.prototype,
    'fail',
    () =>
      function (this: Deliveries) {
        return true
      }
  )
]

function replaced<T extends object, K extends keyof T>(
  fault: string,
  prototype: T,
  name: K,
  wrong: (right: T[K]) => T[K]
): Plant {
  return {
    fault,
    plant() {
      const right = prototype[name]
      prototype[name] = wrong(right)
      return () => {
        prototype[name] = right
      }
    }
  }
}
