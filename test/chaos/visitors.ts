import type { Chance } from './chance.ts'
import type { House } from './house.ts'
import { confirm, leave, type Reader } from './readers.ts'

export type Visitors = {
  /** Readers whose opt-out has been answered. */
  left(): number
  /** Lets nobody more come. Whom those had been turned away by who knocked, or left waiting until now. */
  close(): Promise<readonly string[]>
}

type Wishes = {
  readonly house: House
  readonly chance: Chance
  readonly readers: readonly Reader[]
  readonly leaving: boolean
  readonly following: boolean
  /** How much of the run is over, from 0 to 1: so many of all that come have come by then. */
  progress(): number
  /** Whether the letter that is being sent has been accepted for this reader. */
  hasNewest(reader: Reader): boolean
}

/** Few enough that most readers are still there at the end. */
const mostLeave = 0.25
const mostAtOnce = 20
/** Of those who leave, most do it before the newest letter has come: it is the letter that must not come any more. */
const looks = 4

/** Milliseconds that those who knock are waited for in the end, when nothing is broken any more. */
const patience = 30_000

/** Readers who come at random moments through the public doors. */
export function sendVisitors({ house, chance, readers, leaving, following, progress, hasNewest }: Wishes): Visitors {
  let isOver = false
  let left = 0
  let gone = 0
  const unheeded: string[] = []
  const knocking = new Set<Promise<void>>()
  const candidates = readers.filter((reader) => reader.follows === 'from-the-start')
  const pending = chance.shuffle(readers.filter((reader) => reader.confirmPath !== null))
  const mostFollow = pending.length
  let deadline = Number.POSITIVE_INFINITY
  const hasStopped = () => performance.now() > deadline

  const visit = (act: Promise<void>) => {
    const heeded = act.catch((error: Error) => {
      unheeded.push(error.message)
    })
    knocking.add(heeded)
    void heeded.finally(() => knocking.delete(heeded))
  }

  async function leaveOne(): Promise<void> {
    const mayLeave = (reader: Reader) => reader.left === null && reader.leaveUrl !== null
    const seen = Array.from({ length: looks }, () => chance.pick(candidates)).filter(mayLeave)
    const reader = seen.find((one) => !hasNewest(one)) ?? seen[0]
    if (!reader) return
    gone += 1
    await leave(reader, hasStopped)
    // First of all into the sink's journal: whatever begins from here on is late.
    house.sink.noteLeft(reader.address)
    left += 1
  }

  async function comeAndGo(): Promise<void> {
    while (!isOver) {
      await new Promise((resolve) => setTimeout(resolve, chance.between(20, 180)))
      if (knocking.size >= mostAtOnce) continue
      const due = progress()
      if (leaving && gone < candidates.length * mostLeave * due) visit(leaveOne())
      const isFollowerDue = following && mostFollow - pending.length < mostFollow * due
      const follower = isFollowerDue ? pending.pop() : undefined
      if (follower) visit(confirm(house.installation.api, follower, hasStopped))
    }
  }

  const coming = comeAndGo()
  return {
    left: () => left,
    close: async () => {
      isOver = true
      deadline = performance.now() + patience
      await coming
      await Promise.all(knocking)
      return unheeded
    },
  }
}
