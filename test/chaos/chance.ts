/** Draws that are the same for the same seed. */
export type Chance = {
  /** In [0, 1). */
  draw(): number
  between(least: number, most: number): number
  pick<Thing>(things: readonly Thing[]): Thing
  shuffle<Thing>(things: readonly Thing[]): Thing[]
}

export function openChance(seed: number): Chance {
  let state = seed >>> 0
  // mulberry32
  const draw = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (least: number, most: number) => least + draw() * (most - least)
  return {
    draw,
    between,
    pick: (things) => things[Math.floor(draw() * things.length)]!,
    shuffle: (things) => {
      const left = [...things]
      for (let place = left.length - 1; place > 0; place -= 1) {
        const other = Math.floor(draw() * (place + 1))
        ;[left[place], left[other]] = [left[other]!, left[place]!]
      }
      return left
    },
  }
}

/** A draw in [0, 1) that depends on the words alone, whatever happened before: what befalls a letter is its own. */
export function lot(seed: number, ...words: readonly (string | number)[]): number {
  // FNV-1a, then one round of mixing, because the last bytes would otherwise hardly reach the upper bits.
  let hash = (0x811c9dc5 ^ seed) >>> 0
  const text = words.join('\u0000')
  for (let place = 0; place < text.length; place += 1) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193) >>> 0
  return openChance(hash).draw()
}
