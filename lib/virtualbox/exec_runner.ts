import { spawn } from 'node:child_process'
import process from 'node:process'
import { VboxmergeError } from '../errors.ts'
import { collectText } from './output_limit.ts'
import type { Runner } from './runner.ts'
import { limitTime } from './time_limit.ts'

/**
 * Runs a program without a shell.
 *
 * The program gets a process group of its own, so that a ^C in the terminal reaches this process only: a
 * VBoxManage that is killed while it deletes a snapshot leaves the machine as "aborted".
 *
 * @throws {VboxmergeError} `engine_failed` when the program cannot be started.
 */
export const execRunner: Runner = (file, args, options = {}) =>
  new Promise((resolve, reject) => {
    const stdout = collectText(file)
    const stderr = collectText(file)
    const child = spawn(file, [...args], {
      detached: true,
      env: { ...process.env, ...options.env },
      shell: false,
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    })
    const callOff = limitTime(child.pid, options.timeLimit)
    child.stdout.setEncoding('utf8').on('data', stdout.add)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr.add(text)
      options.onStderr?.(text)
    })
    child.on('error', cause => {
      reject(
        new VboxmergeError('engine_failed', `Cannot run ${JSON.stringify(file)}: ${cause.message}`, {
          cause,
        }),
      )
    })
    child.on('close', exitCode => {
      callOff()
      try {
        resolve({ exitCode, stdout: stdout.text(), stderr: stderr.text() })
      } catch (error) {
        reject(error)
      }
    })
  })
