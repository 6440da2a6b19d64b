/**
 * 0 in the first eight seconds, 1 up to sixteen, then 2 up to 32, and so on: with it a wake-up gets a new name each time what it is
 * for has waited as long again. A queue that remembers a job and has lost its place among those that wait takes no other of the name.
 */
export const waited = (since: string) =>
  `floor(log(2, greatest(1, extract(epoch from now() - ${since}) / 4)::numeric))::int`
