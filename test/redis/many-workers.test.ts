import { describeManyWorkers } from '../journey/many-workers.ts'

describeManyWorkers('redis')
