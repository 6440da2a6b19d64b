/** The SECRET_KEY of tests. */
export const testSecrets = ['a-secret-key-for-tests-only-0123456789'] as const
