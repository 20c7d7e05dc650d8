/** What became of a token that a reader did not return: nothing, it came to its end, or the peer aborted it. */
export const NOTHING = 0
export const WHOLE = 1
export const ABORTED = 2
export type Passed = typeof NOTHING | typeof WHOLE | typeof ABORTED
