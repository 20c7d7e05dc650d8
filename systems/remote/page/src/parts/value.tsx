import type { ResultFormat } from '../description'
import { useSpoken } from './spoken'

interface ValueProps {
  readonly value: unknown
  readonly format?: ResultFormat
}

/** Something that a device said, in words: never as markup. */
export function Value({ value, format = 'text' }: ValueProps) {
  const { language, words } = useSpoken()
  if (value === null || value === undefined || value === '') return <span class="quiet">{words.nothing}</span>
  if (format === 'json') return <pre>{JSON.stringify(value, null, 2)}</pre>
  if (typeof value === 'boolean') return <>{value ? words.yes : words.no}</>
  if (typeof value === 'number') return <>{showNumber(language, value, format)}</>
  if (typeof value === 'string') return <>{value}</>
  if (isListOfPlain(value)) return <>{value.map(String).join(', ')}</>
  return <pre>{JSON.stringify(value, null, 2)}</pre>
}

function showNumber(language: string, value: number, format: ResultFormat): string {
  if (format === 'time')
    return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }).format(value)
  const style = format === 'percent' ? { style: 'unit', unit: 'percent' } : {}
  return new Intl.NumberFormat(language, style as Intl.NumberFormatOptions).format(value)
}

function isListOfPlain(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.every(each => typeof each !== 'object' || each === null)
}
