import { type DkimIdentity, type DkimKey, dkimRecord, makeDkimKey } from '../../shared/dkim/dkim-key.ts'

// An RSA key takes a tenth of a second to find, and nothing here depends on its being new.
const rsa = makeDkimKey('rsa-sha256')
const ed25519 = makeDkimKey('ed25519-sha256')

/** An identity with both kinds of key; `selector` names the first, and the second after it. */
export function givenIdentity(domain = 'havneby.example', selector = 's1'): DkimIdentity {
  const keys: DkimKey[] = [
    { algorithm: 'rsa-sha256', selector, privateKey: rsa },
    { algorithm: 'ed25519-sha256', selector: `${selector}-ed25519`, privateKey: ed25519 },
  ]
  return { domain, keys }
}

/** What is in DNS for it. */
export const recordsOf = ({ domain, keys }: DkimIdentity) => keys.map((key) => dkimRecord(domain, key))
