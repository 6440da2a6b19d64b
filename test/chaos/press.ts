import type { Chance } from './chance.ts'
import type { House } from './house.ts'
import { headedAsWithdrawn, type Published, publish, type Telling } from './publisher.ts'

/** The publisher of a run: everything that was told, and what can be told next. */
export type Press = {
  /** Everything answered 2xx, in that order. */
  readonly told: readonly Published[]
  /** The release whose letters are leaving now, in its newest revision. */
  newest(): Published | undefined
  /** How many releases there are, answered or not. */
  releases(): number
  publishNext(): Promise<void>
  /** A release that may not leave for so many milliseconds. */
  publishForLater(milliseconds: number): Promise<void>
  /** From now on releases are corrected and withdrawn at random moments. */
  beginRevising(kinds: { readonly corrections: boolean; readonly withdrawals: boolean }): void
  /** Lets nothing more be revised, and waits for what is being told. */
  close(): Promise<void>
}

/** Milliseconds between one revision and the next. */
const [soonest, latest] = [3_000, 12_000]
/** Of revisions, those of the release whose letters are leaving, and not of an earlier one. */
const ofNewest = 0.85
/** Of revisions, those that take a release back. */
const takenBack = 0.35

export function openPress(house: House, run: string, chance: Chance, duplicates: boolean): Press {
  const told: Published[] = []
  let newest: Published | undefined
  let releases = 0
  let isOver = false
  let revising: Promise<void> = Promise.resolve()
  let stopResting = () => {}

  async function tell(telling: Telling): Promise<Published> {
    const { replaces } = telling
    const published = await publish(house.installation, run, telling, {
      copies: duplicates && told.length > 0 ? 1 + Math.floor(chance.between(1, 8)) : 1,
      onAnswer: () => {
        // First of all into the sink's journal: whatever begins of the old revision from here on is late.
        if (replaces) house.sink.noteReplaced(replaces.mailings[0]!, replaces.title)
      },
    })
    told.push(published)
    return published
  }

  function draft(hour: number | null): Telling {
    releases += 1
    const title = `Chaos ${releases}`
    return { kind: 'release', title, externalId: `chaos-${run}-${releases}`, hour, replaces: null }
  }

  async function revise(kinds: { corrections: boolean; withdrawals: boolean }): Promise<void> {
    const replaced = new Set(told.map(({ replaces }) => replaces))
    const standing = told.filter((one) => one.kind !== 'withdrawal' && !replaced.has(one))
    const isOfNewest = chance.draw() < ofNewest
    const replaces = isOfNewest ? standing.find((one) => one === newest) : chance.pick(standing)
    const isTakenBack = kinds.withdrawals && (!kinds.corrections || chance.draw() < takenBack)
    if (!replaces) return
    const wasNewest = replaces === newest
    const revision = await tell({
      ...replaces,
      ...(isTakenBack
        ? { kind: 'withdrawal', title: headedAsWithdrawn(replaces.title), hour: null }
        : { kind: 'correction', title: nextTitle(replaces.title) }),
      replaces,
    })
    if (wasNewest && newest === replaces) newest = revision
  }

  async function keepRevising(kinds: { corrections: boolean; withdrawals: boolean }): Promise<void> {
    while (!isOver) {
      await new Promise<void>((resolve) => {
        stopResting = resolve
        setTimeout(resolve, chance.between(soonest, latest))
      })
      if (!isOver) await revise(kinds)
    }
  }

  return {
    told,
    newest: () => newest,
    releases: () => releases,
    publishNext: async () => {
      newest = await tell(draft(null))
    },
    publishForLater: async (milliseconds) => {
      await tell(draft(Date.now() + Math.round(milliseconds)))
    },
    beginRevising: (kinds) => {
      if (kinds.corrections || kinds.withdrawals) revising = keepRevising(kinds)
    },
    close: async () => {
      isOver = true
      stopResting()
      await revising
    },
  }
}

/** “Chaos 7”, “Chaos 7 revision 2”, “Chaos 7 revision 3”. */
function nextTitle(title: string): string {
  const [release, revision] = title.split(' revision ')
  return `${release} revision ${Number(revision ?? 1) + 1}`
}
