const tries = 100

/** Listens on the wished port, or, when that is taken, on the next one that is free. 0: any. */
export async function listenFrom(wished: number, listen: (port: number) => Promise<unknown>): Promise<void> {
  for (let step = 0; ; step += 1) {
    try {
      await listen(wished + step)
      return
    } catch (error) {
      const busy = ['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')
      if (!busy || step === tries || wished + step >= 65_535) throw error
    }
  }
}
