import { type Fault, type RefusalCode, refusals } from './refusal.ts'

/** What every refusal looks like to a program (RFC 9457), at every door. */
export type ProblemDocument = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
  readonly errors?: readonly Fault[]
}

/** `instance` names the request as the log does, never its address: that may hold a token. */
export function problemOf(code: RefusalCode, requestId: string, faults: readonly Fault[] = []): ProblemDocument {
  const [status, sentence] = refusals[code]
  return {
    type: `urn:pressebud:refusal:${code.toLowerCase().replaceAll('_', '-')}`,
    title: sentence,
    status,
    detail:
      faults.length === 0
        ? sentence
        : faults.map(({ pointer, detail }) => `${pointer || '(body)'}: ${detail}`).join(' '),
    instance: `urn:pressebud:request:${requestId}`,
    ...(faults.length === 0 ? {} : { errors: faults }),
  }
}
