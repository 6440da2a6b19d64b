import { chmodSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { isAbandoned, lockFolder } from '../../services/standalone/folder-lock.ts'
import { sweepThrowAways } from '../../services/standalone/throw-away-sweep.ts'
import type { Log } from '../../shared/log/log.ts'

/** Linux keeps what lies here in memory, and every user may write to it. */
const shelf = '/dev/shm'
const prefix = 'pressebud-tests-'
/** A run fills a third of it. */
const enough = 1024 ** 3

/**
 * Gives this run a temporary folder of its own in memory, where there is enough: it makes and deletes tens of thousands
 * of files, for which some disks take as long as the tests themselves. Elsewhere the usual temporary folder serves.
 */
export async function openRunFolder(log: Log): Promise<{ close(): void }> {
  if (!isFit()) return { close: () => {} }
  await clearAbandoned(log)
  const folder = mkdtempSync(join(shelf, prefix))
  // Servers run as other users, as in any temporary folder.
  chmodSync(folder, 0o1777)
  await lockFolder(lockOf(folder))
  const usual = process.env.TMPDIR
  process.env.TMPDIR = folder
  return {
    close: () => {
      if (usual === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = usual
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const lockOf = (folder: string) => join(folder, 'run.lock')

function isFit(): boolean {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
    const options = mounts.find((line) => line.split(' ')[1] === shelf)?.split(' ')[3] ?? 'ro'
    // Some tests run programs from their folder.
    if (/(^|,)(ro|noexec)(,|$)/.test(options)) return false
    const { bavail, bsize } = statfsSync(shelf)
    return bavail * bsize >= enough
  } catch {
    return false
  }
}

/** A run that was killed leaves its folder in memory, and perhaps its database server running: the next one clears up. */
async function clearAbandoned(log: Log): Promise<void> {
  for (const name of readdirSync(shelf)) {
    const folder = join(shelf, name)
    if (!name.startsWith(prefix) || lstatSync(folder).uid !== process.getuid?.() || !isAbandoned(lockOf(folder)))
      continue
    await sweepThrowAways(log, folder)
    rmSync(folder, { recursive: true, force: true })
  }
}
