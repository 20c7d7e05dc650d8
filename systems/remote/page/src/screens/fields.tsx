import { useId } from 'preact/hooks'
import { type Field, textIn } from '../description'
import { useSpoken } from '../parts/spoken'

/** What the person typed; undefined: an empty number. */
export type FieldValue = string | number | boolean | undefined

interface FieldInputProps<F extends Field = Field> {
  readonly field: F
  readonly value: FieldValue
  readonly onValue: (value: FieldValue) => void
}

export function FieldInput({ field, value, onValue }: FieldInputProps) {
  const { language } = useSpoken()
  const id = useId()
  const label = textIn(language, field.label)
  switch (field.type) {
    case 'boolean':
      return (
        <div class="field">
          <label class="check" for={id}>
            <input
              id={id}
              type="checkbox"
              checked={value === true}
              onChange={event => onValue(event.currentTarget.checked)}
            />
            {label}
          </label>
        </div>
      )
    case 'choice':
      return (
        <div class="field">
          <label for={id}>{label}</label>
          <select id={id} value={String(value)} onChange={event => onValue(event.currentTarget.value)}>
            {field.choices.map(choice => (
              <option key={choice.value} value={choice.value}>
                {textIn(language, choice.label)}
              </option>
            ))}
          </select>
        </div>
      )
    case 'text':
      return (
        <div class="field">
          <label for={id}>{label}</label>
          <input
            id={id}
            type="text"
            required={field.required}
            maxLength={field.maxLength}
            value={String(value ?? '')}
            onInput={event => onValue(event.currentTarget.value)}
          />
        </div>
      )
    case 'number':
    case 'range':
      return <NumberInput field={field} value={value} onValue={onValue} />
  }
}

function NumberInput({
  field,
  value,
  onValue
}: FieldInputProps<Extract<Field, { type: 'number' | 'range' }>>) {
  const { language } = useSpoken()
  const id = useId()
  const { min, max, step, unit, type } = field
  const shown = typeof value === 'number' ? new Intl.NumberFormat(language).format(value) : ''
  return (
    <div class="field">
      <div class="label-line">
        <label for={id}>
          {textIn(language, field.label)}
          {unit !== '' && type === 'number' && ` (${unit})`}
        </label>
        {type === 'range' && (
          <output for={id}>
            {shown}
            {unit !== '' && ` ${unit}`}
          </output>
        )}
      </div>
      <input
        id={id}
        type={type}
        required
        inputMode="decimal"
        min={min}
        max={max}
        step={step ?? (type === 'number' ? 'any' : 1)}
        value={typeof value === 'number' ? value : ''}
        onInput={({ currentTarget }) =>
          onValue(Number.isNaN(currentTarget.valueAsNumber) ? undefined : currentTarget.valueAsNumber)
        }
      />
    </div>
  )
}

/** What a form begins with: the device's state where it has a value of that name and kind, else what the device declared. */
export function initialValue(field: Field, state: unknown): FieldValue {
  const known =
    typeof state === 'object' && state !== null && Object.hasOwn(state, field.name)
      ? (state as Record<string, unknown>)[field.name]
      : undefined
  switch (field.type) {
    case 'boolean':
      return typeof known === 'boolean' ? known : field.initial
    case 'text':
      return typeof known === 'string' ? known : field.initial
    case 'choice':
      return field.choices.some(({ value }) => value === known) ? (known as string) : field.initial
    case 'number':
    case 'range':
      return typeof known === 'number'
        ? known
        : (field.initial ?? (field.type === 'range' ? field.min : undefined))
  }
}
