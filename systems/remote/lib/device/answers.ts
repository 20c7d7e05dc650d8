import { isLonger } from '../encoding/bytes'
import { type JsonFault, writeJson } from '../encoding/json'
import { type Ran, RemoteError } from '../errors/remote-error'
import type { Failure } from '../wire/message'
import type { Answer } from './command'

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
  return writeJson(value, maxBytes, unfit)
}

/** A failure instead of an answer that the connection to its client can't carry. @param maxBytes that it can */
export function carried(answer: Answer, maxBytes: number): Answer {
  const { number, text } = answer
  if (!isLonger(text, maxBytes)) return answer
  const failure = unfit(`it is longer than ${maxBytes} bytes`, 'length')
  return { number, text: failureText(number, failure), hasLeft: false }
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

const REASONS: Readonly<Record<JsonFault, string>> = {
  form: 'answer-not-json',
  length: 'answer-too-large',
  depth: 'answer-too-deep'
}

function unfit(why: string, fault: JsonFault): RemoteError {
  return new RemoteError('handler-failed', `Cannot send the answer: because ${why}`, {
    ran: 'yes',
    reason: REASONS[fault]
  })
}
