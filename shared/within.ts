/** What comes within so many milliseconds, else what is given in its place. What comes later, or fails later, is nobody's. */
export async function within<Found, Instead>(
  milliseconds: number,
  coming: Promise<Found>,
  instead: Instead,
): Promise<Found | Instead> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Instead>((resolve) => {
    timer = setTimeout(() => resolve(instead), milliseconds)
  })
  return Promise.race([coming, late]).finally(() => clearTimeout(timer))
}
