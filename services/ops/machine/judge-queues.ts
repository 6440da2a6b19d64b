import { plural } from '../pages/format.ts'
import type { Finding } from './judge-machine.ts'
import type { QueueCounts } from './queue-counts.ts'

/** Queues hold wake-ups; without them nobody is told that there is work. */
export function judgeQueues(queues: readonly QueueCounts[]): Finding[] {
  const away = queues.filter(({ counts }) => counts === null).length
  const paused = queues.flatMap(({ name, paused }) => (paused ? [name] : []))
  if (queues.length === 0) return []
  return [
    {
      label: 'Queues',
      value: away === 0 ? 'all answer' : `${plural(away, 'does', 'do')} not answer`,
      meaning: 'They tell workers what is due. Lost with all they held, they are filled again from the database.',
      wrong: away > 0,
      todo: 'Letters wait until they do, and then leave by themselves; publishing, following and leaving go on. Where the queues are in Redis: is it running, and does REDIS_URL lead to it?',
      href: '/machine#queues',
    },
    ...(paused.length === 0
      ? []
      : [
          {
            label: 'Queues that are paused',
            value: paused.join(', '),
            meaning: 'Nothing here pauses a queue: somebody did, with a tool of BullMQ’s.',
            wrong: true,
            todo: `Until each is resumed with that tool (“queue.resume()”) nothing leaves. To keep one mailing back, pause the mailing.`,
            href: '/machine#queues',
          },
        ]),
  ]
}
