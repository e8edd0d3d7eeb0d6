#!/usr/bin/env node
import process from 'node:process'
import { processSurroundings } from './process_surroundings.ts'
import { realOperations } from './real_operations.ts'
import { runCli } from './run_cli.ts'
import { packageVersion } from './version.ts'

process.exitCode = await runCli(process.argv.slice(2), processSurroundings(realOperations, packageVersion()))
