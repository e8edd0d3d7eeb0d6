// A VirtualBox of the bench's own: its registry and its server have nothing to do with the user's.
import { execFile, spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Where scripts/setup/virtualbox.sh puts its wrappers. */
const SETUP_FOLDER = '/var/lib/vboxmerge/bin'

/** Returns the path of a VBoxManage that works, or undefined. */
export function findVBoxManage() {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), SETUP_FOLDER]
  const candidates = [process.env.VBOXMANAGE, ...folders.map(folder => join(folder, 'VBoxManage'))]
  return candidates.find(path => path && isExecutable(path) && spawnSync(path, ['--version']).status === 0)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Sets up an isolated VirtualBox.
 *
 * @param folder An empty folder of its own.
 */
export function isolatedVirtualBox(vboxmanage, folder) {
  const socketId = basename(folder)
  const env = {
    ...process.env,
    HOME: folder,
    LC_ALL: 'C.UTF-8',
    VBOX_USER_HOME: join(folder, 'registry'),
    VBOX_IPC_SOCKETID: socketId,
    VBOXMANAGE: vboxmanage,
  }

  const execute = (args, timeout = 0) =>
    new Promise((resolve, reject) => {
      const options = { env, cwd: folder, timeout, killSignal: 'SIGKILL', maxBuffer: 2 ** 26 }
      execFile(vboxmanage, args, options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new Error(`VBoxManage ${args.join(' ')} failed: ${stderr.trim() || error.message}`))
      })
    })

  /** Process ids of this instance's VBoxSVC and VBoxXPCOMIPCD. */
  const servers = () =>
    readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .filter(pid => /^VBox(SVC|XPCOMIPCD)/.test(readProcess(pid, 'comm')))
      .filter(pid => readProcess(pid, 'environ').split('\0').includes(`VBOX_IPC_SOCKETID=${socketId}`))

  /** Ends the servers, so that they hold nothing in memory, and waits until they are gone. */
  const settle = async () => {
    const started = Date.now()
    for (const pid of servers()) kill(pid, 'SIGTERM')
    while (servers().length > 0) {
      if (Date.now() - started > 30_000) for (const pid of servers()) kill(pid, 'SIGKILL')
      await sleep(10)
    }
  }

  return {
    env,
    version: spawnSync(vboxmanage, ['--version'], { encoding: 'utf8' }).stdout.trim().split('\n').at(-1),
    manage: (...args) => execute(args),
    servers,
    settle,

    /** Starts VBoxSVC. A client that starts it hangs now and then, so it gets more than one try. */
    wake: async () => {
      for (let attempt = 0; attempt < 5; attempt++) {
        try {
          return await execute(['list', 'vms'], 3000)
        } catch {}
      }
      throw new Error('Cannot start VBoxSVC: VBoxManage did not answer five times')
    },

    /** What the servers have taken so far: bytes read and written, seconds of a processor. */
    taken: () => {
      const sum = { read: 0, written: 0, stored: 0, cpuSeconds: 0 }
      for (const pid of servers()) {
        const text = readProcess(pid, 'io')
        sum.read += Number(/^rchar: (\d+)$/m.exec(text)?.[1] ?? 0)
        sum.written += Number(/^wchar: (\d+)$/m.exec(text)?.[1] ?? 0)
        sum.stored += Number(/^write_bytes: (\d+)$/m.exec(text)?.[1] ?? 0)
        sum.cpuSeconds += processorSeconds(pid).own
      }
      return sum
    },

    stop: async () => {
      await settle()
      rmSync(`/tmp/.vbox-${socketId}-ipc`, { recursive: true, force: true })
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/** Ticks of a second in /proc, on every Linux. */
const TICKS = 100

/** Returns the processor time of a process, and of its children that have ended, in seconds. */
export function processorSeconds(pid) {
  // Behind the name, which may hold spaces: field 14 is utime, then stime, cutime and cstime.
  const fields = readProcess(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 15)
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.map(Number)
  return { own: (user + system) / TICKS, children: (childUser + childSystem) / TICKS }
}

function readProcess(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8').trim()
  } catch {
    return ''
  }
}

function kill(pid, signal) {
  try {
    process.kill(Number(pid), signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}
