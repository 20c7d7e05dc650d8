import { fieldOf } from '../../lib/encoding/json'

/** What a device says that it can do. Each text is one for all, or one for each language. */
export interface Description {
  readonly name: string | undefined
  readonly events: readonly EventDescription[]
}

export type Text = string | Readonly<Record<string, string>>

export interface EventDescription {
  readonly event: string
  readonly label: Text
  readonly hint: Text | undefined
  readonly fields: readonly Field[]
  /** The page asks before it sends. */
  readonly danger: boolean
  /** Milliseconds that the page waits for the answer. */
  readonly timeout: number
  /** How the answer is shown. */
  readonly result: ResultFormat
}

export const RESULT_FORMATS = ['text', 'percent', 'time', 'json', 'none'] as const
export type ResultFormat = (typeof RESULT_FORMATS)[number]

interface FieldBase {
  readonly name: string
  readonly label: Text
  readonly required: boolean
}
export type Field =
  | (FieldBase & { readonly type: 'text'; readonly maxLength: number; readonly initial: string })
  | (FieldBase & { readonly type: 'boolean'; readonly initial: boolean })
  | (FieldBase & NumberField & { readonly type: 'number' | 'range' })
  | (FieldBase & { readonly type: 'choice'; readonly choices: readonly Choice[]; readonly initial: string })

interface NumberField {
  readonly min: number | undefined
  readonly max: number | undefined
  readonly step: number | undefined
  readonly initial: number | undefined
  readonly unit: string
}

export interface Choice {
  readonly value: string
  readonly label: Text
}

/** More than this are not shown: a device is not to make the page hang. */
const MAX_EVENTS = 100
const MAX_FIELDS = 20
const MAX_CHOICES = 100

/** Milliseconds, of a command for which the device declares nothing else. */
export const COMMAND_TIMEOUT = 120_000
/** The client's clock goes no further. */
const MAX_TIMEOUT = 86_400_000

/** Reads what came from a device, or from the browser's storage: what can't be used is left out. */
export function readDescription(value: unknown): Description {
  const events = entries(fieldOf(value, 'events'), MAX_EVENTS).map(readEvent)
  return { name: text(fieldOf(value, 'name')), events }
}

function readEvent([event, value]: readonly [string, unknown]): EventDescription {
  const result = fieldOf(value, 'result')
  return {
    event,
    label: label(fieldOf(value, 'title')) ?? event,
    hint: label(fieldOf(value, 'description')),
    fields: entries(fieldOf(value, 'fields'), MAX_FIELDS).map(readField).filter(isThere),
    danger: fieldOf(value, 'danger') === true,
    timeout: readTimeout(number(fieldOf(value, 'timeout'))),
    result: RESULT_FORMATS.find(format => format === result) ?? 'text'
  }
}

function readTimeout(declared = COMMAND_TIMEOUT): number {
  return declared > 0 ? Math.min(declared, MAX_TIMEOUT) : COMMAND_TIMEOUT
}

function readField([name, value]: readonly [string, unknown]): Field | undefined {
  const base = {
    name,
    label: label(fieldOf(value, 'title')) ?? name,
    required: fieldOf(value, 'required') === true
  }
  const [type, initial] = [fieldOf(value, 'type'), fieldOf(value, 'default')]
  switch (type) {
    case 'boolean':
      return { ...base, type, initial: initial === true }
    case 'range':
    case 'number':
      return {
        ...base,
        type,
        min: number(fieldOf(value, 'min')) ?? (type === 'range' ? 0 : undefined),
        max: number(fieldOf(value, 'max')) ?? (type === 'range' ? 100 : undefined),
        step: number(fieldOf(value, 'step')),
        initial: number(initial),
        unit: text(fieldOf(value, 'unit')) ?? ''
      }
    case 'choice': {
      const choices = list(fieldOf(value, 'choices'), MAX_CHOICES).map(readChoice).filter(isThere)
      const [first] = choices
      return first && { ...base, type, choices, initial: text(initial) ?? first.value }
    }
    case 'text':
      return {
        ...base,
        type,
        maxLength: number(fieldOf(value, 'maxLength')) ?? 1_000,
        initial: text(initial) ?? ''
      }
    default:
      return undefined
  }
}

function readChoice(value: unknown): Choice | undefined {
  const plain = text(value)
  if (plain !== undefined) return { value: plain, label: plain }
  const own = text(fieldOf(value, 'value'))
  return own === undefined ? undefined : { value: own, label: label(fieldOf(value, 'title')) ?? own }
}

/** What a value of the state is called: as the field of that name, which sets it. */
export function labelOf(description: Description, name: string): Text {
  return declaredAs(description, name)?.label ?? name
}

/** A value of the state with the unit, or in the words, of the field of that name. */
export function labelled(description: Description, name: string, value: unknown, language: string): unknown {
  const field = declaredAs(description, name)
  if (field?.type === 'choice') {
    const choice = field.choices.find(each => each.value === value)
    return choice === undefined ? value : textIn(language, choice.label)
  }
  const hasUnit = (field?.type === 'number' || field?.type === 'range') && field.unit !== ''
  if (!hasUnit || typeof value !== 'number') return value
  return `${new Intl.NumberFormat(language).format(value)} ${field.unit}`
}

function declaredAs({ events }: Description, name: string): Field | undefined {
  return events.flatMap(({ fields }) => fields).find(field => field.name === name)
}

/** In this language, else in English, else in any. */
export function textIn(language: string, value: Text): string {
  if (typeof value === 'string') return value
  return value[language] ?? value.en ?? Object.values(value)[0] ?? ''
}

function entries(value: unknown, most: number): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  return Object.entries(value)
    .filter(([name]) => name !== '' && name !== '__proto__')
    .slice(0, most)
}

function list(value: unknown, most: number): unknown[] {
  return Array.isArray(value) ? value.slice(0, most) : []
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 1_000) : undefined
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function label(value: unknown): Text | undefined {
  if (typeof value !== 'object' || value === null) return text(value)
  const texts = Object.entries(value).filter(([, each]) => text(each) !== undefined)
  return texts.length === 0 ? undefined : Object.fromEntries(texts)
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined
}
