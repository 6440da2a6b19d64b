/** A newsroom's accent colour put to use: as it is where it only decorates, adjusted wherever something is read. */
export type Looks = {
  readonly bar: string
  readonly link: string
  readonly button: string
  readonly buttonInk: string
  readonly darkLink: string
  readonly darkButton: string
  readonly darkButtonInk: string
}

/** The letter's own colours; `templates/head.mjml` uses the same ones. */
export const paper = { page: '#f1f2f4', card: '#ffffff', darkCard: '#1c1e21' } as const

/**
 * WCAG 1.4.3 asks 4.5; a little more, so that a mail client's own shade of our background does not undo it, and more
 * again in the dark, where the same ratio reads weaker.
 */
const wanted = { onLight: 4.8, onDark: 6.5 }

export function looksOf(accent: string): Looks {
  const colour = /^#[0-9a-f]{6}$/i.test(accent) ? accent.toLowerCase() : '#1f4e79'
  const link = darkened(colour, paper.page)
  const darkLink = lightened(colour, paper.darkCard)
  return {
    ...{ bar: colour, link, button: link, buttonInk: '#ffffff' },
    ...{ darkLink, darkButton: darkLink, darkButtonInk: '#111214' },
  }
}

/** WCAG 2 contrast ratio of two `#rrggbb` colours. */
export function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

const darkened = (colour: string, background: string) => mixedUntil(wanted.onLight, colour, '#000000', background)
const lightened = (colour: string, background: string) => mixedUntil(wanted.onDark, colour, '#ffffff', background)

function mixedUntil(ratio: number, colour: string, towards: string, background: string): string {
  for (let share = 0; share < 1; share += 0.02) {
    const mixed = mix(colour, towards, share)
    if (contrast(mixed, background) >= ratio) return mixed
  }
  return towards
}

const channels = (colour: string) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16))

function mix(colour: string, towards: string, share: number): string {
  const goal = channels(towards)
  const mixed = channels(colour).map((channel, index) => Math.round(channel + (goal[index]! - channel) * share))
  return `#${mixed.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`
}

function luminance(colour: string): number {
  const [red, green, blue] = channels(colour).map((channel) => {
    const value = channel / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
