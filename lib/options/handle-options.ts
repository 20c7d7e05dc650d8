import { checkAllOptions, checksOf, complete, type Numbers, refuse, whole } from './checks'

/** Options of `handle()`. */
export interface HandleOptions {
  /** Tokens of one connection that may be with the handler at once. Default 1. */
  concurrency?: number | undefined
}

const HANDLE_NUMBERS = { concurrency: [1, whole(1, 1_000_000)] } satisfies Numbers

/** @throws TokenError `ERR_OPTION` */
export function handleLimits(handler: unknown, options: HandleOptions): { readonly concurrency: number } {
  if (typeof handler !== 'function') throw refuse('handler', 'must be a function')
  checkAllOptions(options, checksOf(HANDLE_NUMBERS), 'a handler')
  return complete(HANDLE_NUMBERS, options)
}
