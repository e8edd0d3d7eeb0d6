import t from 'tap'
import { fitsSettingsFile } from '../../lib/options/settings_text.ts'

t.test('what XML can hold fits a settings file, and nothing else', async t => {
  for (const text of ['', 'Base', 'Größe "a" & <b>', 'tab\tline\nend\r', '💾', '\u0085']) {
    t.equal(fitsSettingsFile(text), true, JSON.stringify(text))
  }
  for (const text of ['\0', 'a\u001bb', '\u0001', 'half \ud83d', '\udcbe half', '\ufffe', '\uffff']) {
    t.equal(fitsSettingsFile(text), false, JSON.stringify(text))
  }
})
