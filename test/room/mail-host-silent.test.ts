import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { cutAudience } from '../../workers/fan-out/cut-audience.ts'
import { sendChunk } from '../../workers/mailer/send-chunk.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'

test('a mail host that takes connections and never greets is not offered the same letters without a pause', async () => {
  const database = await openTestDatabase()
  const sockets = new Set<Socket>()
  const host = createServer((socket) => sockets.add(socket.on('error', () => {})))
  host.listen(0, '127.0.0.1')
  await once(host, 'listening')
  const engine = openEngine(database.pool, `smtp://127.0.0.1:${(host.address() as AddressInfo).port}`)
  const newsroom = await givenNewsroom(database.pool)
  await givenReaders(database.pool, newsroom, 3)
  const { mailingId } = await givenMailing(database.pool, newsroom)
  await cutAudience(engine.fanOut, mailingId)
  engine.woken.length = 0

  const silence = vi.spyOn(engine.mailer.circuit, 'tellSilence')
  await sendChunk(engine.mailer, { mailingId, chunk: 0 })
  expect(silence).toHaveBeenCalled()
  const { rows } = await database.pool.query(
    'select next_at > now() as rests, fence, lease_until from chunks where mailing_id = $1 and n = 0',
    [mailingId],
  )
  expect(rows).toEqual([{ rests: true, fence: '1', lease_until: null }])
  expect(engine.woken).toEqual([])
  const letters = await database.pool.query('select distinct state, attempt from deliveries where mailing_id = $1', [
    mailingId,
  ])
  expect(letters.rows).toEqual([{ state: 'due', attempt: 0 }])

  for (const socket of sockets) socket.destroy()
  await engine.close()
  host.close()
  await database.close()
})
