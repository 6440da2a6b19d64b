import { describeLife } from './life.ts'

describeLife('redis')
