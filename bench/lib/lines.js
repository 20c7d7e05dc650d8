/** Calls `take` with each line that comes from a stream. Its errors stay those of the stream. */
export function onLine(stream, take) {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', text => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) take(line)
  })
}
