import t from 'tap'
import { chooseRunner, runnerKind } from '../../lib/virtualbox/choose_runner.ts'
import { vboxEnvironment } from '../../lib/virtualbox/environment.ts'
import { findVBoxManage, vboxManageCandidates } from '../../lib/virtualbox/find_vboxmanage.ts'
import { realHost } from '../../lib/virtualbox/real_host.ts'
import type { Host } from '../../lib/virtualbox/search_path.ts'
import { hasCode } from '../fixtures/has_code.ts'

/** A computer on which only some programs are. */
function host(platform: NodeJS.Platform, env: Host['env'], programs: readonly string[]): Host {
  return { platform, env, canRun: async path => programs.includes(path) }
}

t.test('findVBoxManage() on Linux', async t => {
  const all = ['/a/VBoxManage', '/b/VBoxManage', '/usr/lib/virtualbox/VBoxManage', '/x/own', '/y/named']
  const env = { PATH: '/a::/b:relative', VBOXMANAGE: '/y/named' }
  t.equal(await findVBoxManage(host('linux', env, all), '/x/own'), '/x/own', 'the option wins')
  t.equal(await findVBoxManage(host('linux', env, all)), '/y/named', 'then the variable')
  const path = { PATH: '/a:/b' }
  t.equal(await findVBoxManage(host('linux', path, all)), '/a/VBoxManage', 'then PATH, in its order')
  t.equal(await findVBoxManage(host('linux', path, ['/b/vboxmanage'])), '/b/vboxmanage', 'in either spelling')
  t.equal(await findVBoxManage(host('linux', { PATH: '/c' }, all)), '/usr/lib/virtualbox/VBoxManage')
  t.equal(await findVBoxManage(host('linux', {}, [])), undefined)
  t.notOk(vboxManageCandidates(host('linux', env, all)).some(file => file.startsWith('relative')))
})

t.test('findVBoxManage() looks a bare name up in PATH', async t => {
  const linux = host('linux', { PATH: '/a:/b' }, ['/b/my-vboxmanage'])
  t.equal(await findVBoxManage(linux, 'my-vboxmanage'), '/b/my-vboxmanage')
  const windows = host('win32', { Path: 'C:\\tools' }, ['C:\\tools\\mine.exe'])
  t.equal(await findVBoxManage(windows, 'mine'), 'C:\\tools\\mine.exe')
})

t.test('findVBoxManage() never replaces what somebody named', async t => {
  const linux = host('linux', { PATH: '/a', VBOXMANAGE: '/gone' }, ['/a/VBoxManage'])
  await t.rejects(findVBoxManage(linux), hasCode('invalid_options', /"\/gone".*VBOXMANAGE/))
  await t.rejects(findVBoxManage(linux, '/also/gone'), hasCode('invalid_options', /"\/also\/gone".*option/))
})

t.test('findVBoxManage() on Windows reads the variables of the installer, in any case', async t => {
  const program = 'D:\\Oracle\\VirtualBox\\VBoxManage.exe'
  for (const name of ['VBOX_MSI_INSTALL_PATH', 'vbox_msi_install_path', 'VBOX_INSTALL_PATH']) {
    t.equal(await findVBoxManage(host('win32', { [name]: 'D:\\Oracle\\VirtualBox\\' }, [program])), program)
  }
  const usual = 'C:\\Program Files\\Oracle\\VirtualBox\\VBoxManage.exe'
  t.equal(await findVBoxManage(host('win32', { ProgramFiles: 'C:\\Program Files' }, [usual])), usual)
  const quoted = host('win32', { PATH: '"C:\\my tools";C:\\b' }, ['C:\\my tools\\VBoxManage.exe'])
  t.equal(await findVBoxManage(quoted), 'C:\\my tools\\VBoxManage.exe')
})

t.test('findVBoxManage() on macOS looks into the application bundle', async t => {
  const program = '/Applications/VirtualBox.app/Contents/MacOS/VBoxManage'
  t.equal(await findVBoxManage(host('darwin', { PATH: '/usr/bin' }, [program])), program)
})

t.test('realHost runs only what can be run', async t => {
  t.ok(await realHost.canRun(process.execPath))
  t.notOk(await realHost.canRun(`${process.execPath}-gone`))
  t.notOk(await realHost.canRun(process.cwd()), 'a folder is no program')
})

t.test('runnerKind() takes zx where a shell exists', async t => {
  const $ = Object.assign(() => undefined, { shell: '/bin/bash' })
  const PowerShell = Object.assign(() => undefined, { shell: 'C:\\Windows\\powershell.exe' })
  const gitBash = Object.assign(() => undefined, { shell: 'C:\\Program Files\\Git\\bin\\bash.exe' })
  t.equal(await runnerKind(host('linux', { PATH: '/bin' }, ['/bin/bash'])), 'zx')
  t.equal(await runnerKind(host('linux', { PATH: '/bin' }, [])), 'exec', 'no bash')
  t.equal(await runnerKind({ ...host('linux', {}, []), $ }), 'zx', "a caller's $ says where the shell is")
  t.equal(await runnerKind(host('win32', { PATH: 'C:\\' }, ['C:\\bash'])), 'exec')
  t.equal(
    await runnerKind({ ...host('win32', {}, []), $: PowerShell }),
    'exec',
    'PowerShell is not quoted safely',
  )
  t.equal(await runnerKind({ ...host('win32', {}, []), $: gitBash }), 'zx')
})

t.test('chooseRunner() runs programs either way', async t => {
  for (const choice of [realHost, { ...realHost, env: {} }]) {
    const { stdout } = await chooseRunner(choice)(process.execPath, ['-e', 'console.log("it ran")'])
    t.equal(stdout, 'it ran\n')
  }
})

t.test('vboxEnvironment() asks for English in UTF-8', async t => {
  t.match(vboxEnvironment('linux'), { LC_ALL: 'C.UTF-8', LANGUAGE: 'C' })
  t.match(vboxEnvironment('darwin'), { LC_ALL: 'en_US.UTF-8' })
})
