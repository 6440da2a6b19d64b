import { setTimeout as pause } from 'node:timers/promises'
import { Mistake } from '../mistake.ts'

// Generous, because whoever tries Pressebud may have added readers by the ten thousand.
const patience = 120_000

/** Waits until something holds; a plain complaint when it never does. */
export async function until(complaint: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patience
  while (performance.now() < deadline) {
    if (await holds()) return
    await pause(50)
  }
  throw new Mistake(`${complaint} within ${patience / 1_000} seconds.`)
}
