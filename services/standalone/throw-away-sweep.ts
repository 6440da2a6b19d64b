import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../shared/log/log.ts'
import { isAbandoned } from './folder-lock.ts'
import { isOurs } from './owned-folder.ts'
import { stopEarlierServer } from './postgres-pid-file.ts'
import { throwAwayPrefix } from './postgres-place.ts'

/** A test run that was killed leaves its throw-away server running: the next one clears it away. */
export async function sweepThrowAways(log: Log, folder = tmpdir()): Promise<void> {
  for (const name of readdirSync(folder)) {
    const place = join(folder, name)
    if (!name.startsWith(throwAwayPrefix) || !isOurs(place) || !isAbandoned(join(place, 'postgres.lock'))) continue
    await stopEarlierServer(join(place, 'postgres'), null)
    await rm(place, { recursive: true, force: true })
    log.info({ place }, 'cleared a throw-away database of a run that was killed')
  }
}
