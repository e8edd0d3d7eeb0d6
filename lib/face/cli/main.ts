#!/usr/bin/env node
import process from 'node:process'
import { VERSION } from '../../version.ts'
import { keepYoungHeapSmall } from '../young_heap.ts'
import { lazyOperations } from './lazy_operations.ts'
import { processSurroundings } from './process_surroundings.ts'
import { runCli } from './run_cli.ts'

keepYoungHeapSmall()
process.exitCode = await runCli(process.argv.slice(2), processSurroundings(lazyOperations, VERSION))
