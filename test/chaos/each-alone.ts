import type { House } from './house.ts'

/**
 * Where several processes share the work it goes on although one of them does nothing any more, and nobody notices. So at
 * the end each has a mailing to itself, the others frozen. Returns those that did not bring it to its end.
 *
 * @param letEnd waits until every mailing has ended, and tells whether they have, or nothing happens any more
 */
export async function listIdle(
  { workers }: House,
  publishNext: () => Promise<void>,
  letEnd: () => Promise<boolean>,
): Promise<string[]> {
  if (workers.length === 1) return []
  const idle: string[] = []
  for (const part of workers) {
    const resumes = workers.filter((other) => other !== part).map((other) => other.freeze())
    await publishNext()
    const isEnded = await letEnd()
    for (const resume of resumes) resume()
    if (isEnded) continue
    idle.push(part.name)
    await letEnd()
  }
  return idle
}
