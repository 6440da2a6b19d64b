import { describeManyWorkers } from './many-workers.ts'

describeManyWorkers('redis')
