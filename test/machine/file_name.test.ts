import t from 'tap'
import { machineFileName } from '../../lib/machine/file_name.ts'

// Names and what `VBoxManage createvm` 7.2.22 made of them; test/integration/clone.test.ts asks it again.
const names = [
  ['web', 'web'],
  ['.dot.', '_dot_'],
  ['-dash-', '_dash-'],
  [' sp ', '_sp_'],
  ['a"b<c>d|e?f*g:h\\i/j', 'a_b_c_d_e_f_g_h_i_j'],
  ["q'u$;ü😀ß", 'q_u__ü____ß'],
  ['a,b+c=d#e%f@g!h~i{j}k[l]m^n`', 'a_b_c_d_e_f_g_h_i_j_k_l_m_n_'],
  ['tab\there', 'tab_here'],
  ['日本', '日本'],
  ['(1)', '(1)'],
] as const

t.test('a machine gets the file name that VirtualBox gives it', async t => {
  for (const [name, file] of names) t.equal(machineFileName(name), file, name)
})

t.test('no name leads out of a folder', async t => {
  for (const name of ['..', '../x', '/etc', '.', 'a/../../b', 'C:\\x']) {
    t.notMatch(machineFileName(name), /[/\\:]|^\.+$/, name)
  }
})
