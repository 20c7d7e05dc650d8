import { isLonger } from '../encoding/bytes'
import { isDeep } from '../encoding/json'
import { type Ran, RemoteError } from '../errors/remote-error'
import type { Failure } from '../wire/message'

/** An answer that is JSON already, and fit to be sent. */
export class Json {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** @throws RemoteError when the value can't be sent; its `ran` is that of a handler which did */
export function answerText(number: number, rev: number, value: unknown, maxBytes: number): string {
  const text = value instanceof Json ? value.text : jsonOf(value, maxBytes)
  return text === undefined ? `["res",${number},${rev}]` : `["res",${number},${rev},${text}]`
}

/** @returns undefined for undefined @throws RemoteError, as above */
export function jsonOf(value: unknown, maxBytes: number): string | undefined {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {}
  if (text === undefined) {
    // A function and a symbol become nothing, without an error.
    if (value !== undefined) throw unfit('it is no JSON', 'answer-not-json')
    return undefined
  }
  if (isLonger(text, maxBytes)) throw tooLarge(maxBytes)
  if (isDeep(text)) throw unfit('it is nested too deep', 'answer-too-deep')
  return text
}

/** What a client is told of a failure. A RemoteError is one. */
export type Told = Pick<RemoteError, 'code' | 'message' | 'ran' | 'reason' | 'rev'>

export function failureText(number: number, { code, message, ran, reason, rev }: Told): string {
  const failure: Failure = {
    code,
    message: message.slice(0, 1000),
    ran,
    ...(reason !== undefined && { reason }),
    ...(rev !== undefined && { rev })
  }
  return `["err",${number},${JSON.stringify(failure)}]`
}

/** No error, which would take many times as long to make: a client is refused as often as it likes. */
export function refusal(why: string, reason: string, ran: Ran = 'no'): Told {
  return { code: 'refused', message: `Cannot do what was asked: because ${why}`, ran, reason, rev: undefined }
}

/** To be thrown. */
export function refusedError(why: string, reason: string): RemoteError {
  return new RemoteError('refused', `Cannot do what was asked: because ${why}`, { reason })
}

/** What the client is told of what a handler threw: nothing but what is meant for it. */
export function handlerFailure(error: unknown): RemoteError {
  let words = 'its handler threw'
  try {
    const { expose, message } = error as { expose?: unknown; message?: unknown }
    if (expose === true && typeof message === 'string') words = message
  } catch {}
  return new RemoteError('handler-failed', `Cannot do what was asked: because ${words}`, {
    ran: 'yes',
    reason: 'threw'
  })
}

export function tooLarge(maxBytes: number): RemoteError {
  return unfit(`it is longer than ${maxBytes} bytes`, 'answer-too-large')
}

function unfit(why: string, reason: string): RemoteError {
  return new RemoteError('handler-failed', `Cannot send the answer: because ${why}`, { ran: 'yes', reason })
}
