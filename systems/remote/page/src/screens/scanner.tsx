import { useEffect, useRef, useState } from 'preact/hooks'
import { useSpoken } from '../parts/spoken'
import { readPicture, scan } from '../scan'
import type { Words } from '../words/words'

/** Reads a QR code by the camera, or out of a picture. */
export function Scanner({ onText }: { onText: (text: string) => void }) {
  const { words } = useSpoken()
  const [isOn, setOn] = useState(false)
  const [problem, setProblem] = useState('')
  const hasCamera = isSecureContext && navigator.mediaDevices !== undefined

  async function read(input: HTMLInputElement): Promise<void> {
    const [file] = input.files ?? []
    if (file === undefined) return
    setProblem('')
    try {
      const text = await readPicture(file)
      if (text === undefined) setProblem(words.scanNoCode)
      else onText(text)
    } catch {
      setProblem(words.scanStale)
    }
    input.value = ''
  }

  return (
    <section class="card" aria-label={words.scan}>
      {isOn ? (
        <Camera
          onText={text => {
            setOn(false)
            onText(text)
          }}
          onProblem={error => {
            setOn(false)
            setProblem(problemIn(words, error))
          }}
          onStop={() => setOn(false)}
        />
      ) : (
        hasCamera && (
          <p>
            <button
              type="button"
              class="wide"
              onClick={() => {
                setProblem('')
                setOn(true)
              }}
            >
              {words.scan}
            </button>
          </p>
        )
      )}
      {!hasCamera && <p class="quiet small">{words.scanNeedsHttps}</p>}
      <label class="button second wide">
        {words.scanPicture}
        <input
          class="hidden"
          type="file"
          accept="image/*"
          onChange={event => void read(event.currentTarget)}
        />
      </label>
      <div role="alert">{problem !== '' && <p class="result bad">{problem}</p>}</div>
    </section>
  )
}

interface CameraProps {
  readonly onText: (text: string) => void
  readonly onProblem: (error: unknown) => void
  readonly onStop: () => void
}

function Camera({ onText, onProblem, onStop }: CameraProps) {
  const { words } = useSpoken()
  const video = useRef<HTMLVideoElement>(null)
  useEffect(() => {
    const stop = new AbortController()
    scan(video.current as HTMLVideoElement, stop.signal).then(
      text => !stop.signal.aborted && onText(text),
      error => !stop.signal.aborted && onProblem(error)
    )
    return () => stop.abort()
  }, [])
  return (
    <>
      <p class="quiet small">{words.scanHint}</p>
      <video ref={video} muted playsInline aria-label={words.scan} />
      <p>
        <button type="button" class="second wide" onClick={onStop}>
          {words.scanStop}
        </button>
      </p>
    </>
  )
}

function problemIn(words: Words, error: unknown): string {
  const { name } = error as Error
  if (name === 'NotAllowedError' || name === 'SecurityError') return words.scanNotAllowed
  if (error instanceof TypeError) return words.scanStale
  return words.scanNoCamera
}
