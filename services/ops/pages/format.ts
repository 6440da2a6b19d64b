/** How figures and times are written on the desk: British English, times in UTC, so that two operators read the same. */

const count = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 })
const tenths = new Intl.NumberFormat('en-GB', { maximumSignificantDigits: 2 })
const day = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'UTC',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
})
const clock = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'UTC',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})

export const number = (value: number) => count.format(value)

/** Letters a second, which may be less than one. */
export const rate = (value: number) => tenths.format(value)

export const plural = (value: number, one: string, more: string) => `${number(value)} ${value === 1 ? one : more}`

export const instant = (at: Date) => `${day.format(at)}, ${clock.format(at)} UTC`

/** “3 min ago” or “in 2 h”. */
export function fromNow(at: Date, now: Date): string {
  const seconds = Math.round((at.getTime() - now.getTime()) / 1000)
  if (seconds === 0) return 'just now'
  return seconds < 0 ? `${span(-seconds)} ago` : `in ${span(seconds)}`
}

/** A length of time in its two largest units: “1 d 4 h”, “12 min”, “45 s”; no line ends between number and unit. */
export function span(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)}\u00a0s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return pair(minutes, 'min', Math.floor(seconds % 60), 's')
  if (minutes < 60) return `${minutes}\u00a0min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? pair(hours, 'h', minutes % 60, 'min') : pair(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

const pair = (large: number, largeUnit: string, small: number, smallUnit: string) =>
  small === 0 ? `${large}\u00a0${largeUnit}` : `${large}\u00a0${largeUnit} ${small}\u00a0${smallUnit}`

export function bytes(value: number): string {
  return value < 1024 ? plural(value, 'byte', 'bytes') : `${count.format(value / 1024)} KiB`
}
