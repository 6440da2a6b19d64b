/** Where a command reads and writes. Standard output holds results only; progress and complaints go to standard error. */
export type Terminal = {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly input: NodeJS.ReadableStream
  readonly columns: number
  /** Whether somebody is watching standard error, so that a line may be redrawn. */
  readonly watched: boolean
  readonly paint: Paint
}

export type Tone = 'bold' | 'dim' | 'good' | 'bad' | 'accent'
export type Paint = Readonly<Record<Tone, (text: string) => string>>

const codes: Record<Tone, readonly [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  good: [32, 39],
  bad: [31, 39],
  accent: [36, 39],
}

export function paintOf(coloured: boolean): Paint {
  const tone =
    ([on, off]: readonly [number, number]) =>
    (text: string) =>
      coloured ? `\u001b[${on}m${text}\u001b[${off}m` : text
  return {
    bold: tone(codes.bold),
    dim: tone(codes.dim),
    good: tone(codes.good),
    bad: tone(codes.bad),
    accent: tone(codes.accent),
  }
}

/** Text from elsewhere on one line, without what could move the cursor, recolour the screen or turn the writing round. */
export const plain = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')

/** Rows under their headings, each column as wide as its widest cell. */
export function tableOf(paint: Paint, headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(plain))
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => [...(row[column] ?? '')].length)),
  )
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - [...cell].length)))
      .join('  ')
      .trimEnd()
  return `${[paint.dim(line(headings)), ...cells.map(line)].join('\n')}\n`
}

/** Facts one below the other, their names in a column. */
export function factsOf(paint: Paint, facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...facts.map(([name]) => name.length))
  return facts.map(([name, value]) => `${paint.dim(name.padEnd(width))}  ${plain(value)}\n`).join('')
}

export const asJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

const grouped = new Intl.NumberFormat('en-GB')
/** `1,204 readers`, `1 reader`. */
export const count = (n: number, one: string, many = `${one}s`): string =>
  `${grouped.format(n)} ${n === 1 ? one : many}`
