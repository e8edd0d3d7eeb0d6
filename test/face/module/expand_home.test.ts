import t from 'tap'
import { expandHome } from '../../../lib/face/module/expand_home.ts'

t.test('a leading ~ stands for the home folder, and nothing else does', async t => {
  const expanded = (path: string): string => expandHome(path, () => '/home/me')
  t.equal(expanded('~'), '/home/me')
  t.equal(expanded('~/VirtualBox VMs/web'), '/home/me/VirtualBox VMs/web')
  for (const path of ['web', '/vms/~', '~web', '~other/web', 'a/~/b', '']) t.equal(expanded(path), path)
})
