import type { Chance } from './chance.ts'
import type { House } from './house.ts'
import { confirm, leave, type Reader } from './readers.ts'

export type Visitors = {
  /** Readers whose opt-out has been answered. */
  left(): number
  /** Lets nobody more come, and waits for those who knock. */
  close(): Promise<void>
}

type Wishes = {
  readonly house: House
  readonly chance: Chance
  readonly readers: readonly Reader[]
  readonly leaving: boolean
  readonly following: boolean
  /** Whether the letter that is being sent has been accepted for this reader. */
  hasNewest(reader: Reader): boolean
}

/** Few enough that most readers are still there at the end. */
const mostLeave = 0.2
const mostAtOnce = 20
/** Of those who leave, most do it before the newest letter has come: it is the letter that must not come any more. */
const looks = 4

/** Readers who come at random moments through the public doors. */
export function sendVisitors({ house, chance, readers, leaving, following, hasNewest }: Wishes): Visitors {
  let isOver = false
  let left = 0
  let gone = 0
  const knocking = new Set<Promise<void>>()
  const candidates = readers.filter((reader) => reader.follows === 'from-the-start')
  const pending = chance.shuffle(readers.filter((reader) => reader.confirmPath !== null))
  const hasStopped = () => isOver

  const visit = (act: Promise<void>) => {
    knocking.add(act)
    void act.finally(() => knocking.delete(act))
  }

  async function leaveOne(): Promise<void> {
    const mayLeave = (reader: Reader) => reader.left === null && reader.leaveUrl !== null
    const seen = Array.from({ length: looks }, () => chance.pick(candidates)).filter(mayLeave)
    const reader = seen.find((one) => !hasNewest(one)) ?? seen[0]
    if (!reader) return
    gone += 1
    if (!(await leave(reader, hasStopped))) return
    // First of all into the sink's journal: whatever begins from here on is late.
    house.sink.noteLeft(reader.address)
    left += 1
  }

  async function comeAndGo(): Promise<void> {
    for (let n = 0; !isOver; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, chance.between(20, 180)))
      if (knocking.size >= mostAtOnce) continue
      if (leaving && gone < candidates.length * mostLeave) visit(leaveOne())
      const follower = following && n % 10 === 0 ? pending.pop() : undefined
      if (follower) visit(confirm(house.installation.api, follower, hasStopped).then(() => undefined))
    }
  }

  const coming = comeAndGo()
  return {
    left: () => left,
    close: async () => {
      isOver = true
      await coming
      await Promise.all(knocking)
    },
  }
}
