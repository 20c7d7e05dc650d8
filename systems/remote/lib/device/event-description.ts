/** One text for all, or one for each language, as `{ en: 'On', es: 'Encender' }`. */
export type Text = string | Readonly<Record<string, string>>

/** For a page that shows what a device can do; docs/page.md has what it makes of it. */
export interface EventDescription {
  /** Default: the name of the event. */
  readonly title?: Text
  readonly description?: Text
  /** Of a payload that is an object, in the order in which they are shown. */
  readonly fields?: Readonly<Record<string, FieldDescription>>
  /** A person is asked before it is sent. */
  readonly danger?: boolean
  /** Milliseconds that the page waits for the answer, in the queue of the device, too. Default 2 minutes. */
  readonly timeout?: number
  /** How the answer is shown. `time`: milliseconds since 1970; `none`: not at all. Default `text`. */
  readonly result?: 'text' | 'percent' | 'time' | 'json' | 'none'
}

export interface FieldDescription {
  /** `range`: a number, by a slider. */
  readonly type: 'text' | 'number' | 'range' | 'boolean' | 'choice'
  /** Default: the name of the field. */
  readonly title?: Text
  readonly required?: boolean
  /** What a form begins with, unless the state of the device has a value of the field's name. */
  readonly default?: unknown
  /** Of a number. */
  readonly min?: number
  readonly max?: number
  readonly step?: number
  readonly unit?: string
  /** Of a text. */
  readonly maxLength?: number
  readonly choices?: readonly (string | { readonly value: string; readonly title: Text })[]
}
