import { expect, test } from 'vitest'
import { saysItIsAReplica } from '../../shared/queues/queue-store.ts'

test.each([
  ["READONLY You can't write against a read only replica.", true],
  [
    "ERR Error running script (call to f_5c1e): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
    true,
  ],
  ['ERR unknown command', false],
  ['NOREPLICAS Not enough good replicas to write.', false],
  ['WRONGTYPE Operation against a key named READONLY', false],
])('of a Redis that answers “%s” it is %s that it has become a replica', (message, is) => {
  expect(saysItIsAReplica(new Error(message))).toBe(is)
})
