/**
 * A host on the same machine or next to it answers a letter every 0.1 ms. A process that is woken for each of these replies
 * spends a fifth of its time on falling asleep and waking up, and the host has more work, too. So where more replies are about to
 * come, the whole thread rests for a moment and then reads all of them: what a network card does with its interrupts. Node
 * has no other pause this short, nor one that would not have it read meanwhile.
 */

/** How long the rest lasts, in milliseconds; another event of this process waits for it about as long. */
const rest = 0.3

/** What one turn of the event loop has seen of letters. */
export type TurnSeen = {
  /** Letters that it has brought an answer for. */
  readonly answered: number
  /** Letters that the host has now. */
  readonly underWay: number
  /** How long ago the turn before it was over, in milliseconds: the rest after that one counts, in which replies came. */
  readonly since: number
}

/**
 * Whether to rest after such a turn. The host must have enough to do meanwhile, so that it misses nothing; that many replies
 * together are enough, too, and come by themselves where the cores are busy with other things. And there must be replies to
 * be expected within the rest, or it would be another awakening and save none.
 */
export function isWorthARest({ answered, underWay, since }: TurnSeen): boolean {
  return answered < underWay / 4 && since / answered < rest / 2
}

/**
 * To be called with each letter's answer. `underWay`: how many letters the host has, as far as it can go on without us; without
 * PIPELINING it waits for us at each step of every letter.
 */
export function gatherReplies(underWay: () => number): () => void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  let answered = 0
  let endedAt = 0

  function endTurn(): void {
    const now = performance.now()
    const seen = { answered, underWay: underWay(), since: now - endedAt }
    answered = 0
    endedAt = now
    if (isWorthARest(seen)) Atomics.wait(never, 0, 0, rest)
  }

  return () => {
    // Runs when all that the system has reported in this turn has been read.
    if (answered === 0) setImmediate(endTurn)
    answered += 1
  }
}
