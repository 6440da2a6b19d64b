import { describeManyWorkers } from './many-workers.ts'

describeManyWorkers('postgres')
