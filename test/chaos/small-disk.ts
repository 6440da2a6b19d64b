import { spawnSync } from 'node:child_process'
import { appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** A disk small enough to be filled, mounted where a database lives. */
export type SmallDisk = {
  fill(): void
  free(): void
  close(): void
}

const size = '1g'

/** Mounts one, which is root's to do and not always root's; null: not permitted here. */
export function tryMountDisk(folder: string): SmallDisk | null {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0711`, 'tmpfs', folder])
  if (status !== 0) return null
  const ballast = join(folder, 'ballast')
  return {
    fill: () => {
      const block = Buffer.alloc(4 * 1024 * 1024)
      // Down to the last page: what is left of a block is filled by smaller ones.
      for (let length = block.length; length >= 4096; ) {
        try {
          appendFileSync(ballast, block.subarray(0, length))
        } catch {
          length /= 2
        }
      }
    },
    free: () => rmSync(ballast, { force: true }),
    close: () => spawnSync('umount', ['-l', folder]),
  }
}
