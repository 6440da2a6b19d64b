/** Notices that are with the mail host, by receiving domain: how many of them keep it waiting. */
export type StandingNotices = {
  of(domain: string): number
  /** Returns what to call when it has come to an end. */
  add(domain: string, stands: () => boolean): () => void
}

export function openStandingNotices(): StandingNotices {
  const underWay = new Set<{ readonly domain: string; readonly stands: () => boolean }>()
  return {
    of: (domain) => [...underWay].filter((one) => one.domain === domain && one.stands()).length,
    add(domain, stands) {
      const one = { domain, stands }
      underWay.add(one)
      return () => underWay.delete(one)
    },
  }
}
