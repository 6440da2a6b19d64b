import { InvalidArgumentError } from 'commander'

/** Reads a whole number from the command line; anything else commander refuses with this sentence. */
export function wholeNumber(least: number, most = 999_999_999): (text: string) => number {
  return (text) => {
    // By its digits: Number takes '', '1e3' and '0x10' for numbers.
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= least && number <= most) return number
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
  }
}
