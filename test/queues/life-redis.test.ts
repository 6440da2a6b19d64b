import { describeLife } from '../journey/life.ts'

describeLife('redis')
