import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { forgetImages } from '../../../lib/engine/direct/forget_images.ts'
import { VboxmergeError } from '../../../lib/errors.ts'
import { realFiles } from '../../../lib/io/real_files.ts'
import type { Manage } from '../../../lib/virtualbox/manage.ts'
import { testUuid } from '../../fixtures/settings_text.ts'
import { temporaryFolder } from '../../fixtures/temporary_folder.ts'

const [base, middle, leaf, foreign] = [1, 2, 3, 4].map(number => testUuid(number)) as [
  string,
  string,
  string,
  string,
]

function disk(id: string, children = ''): string {
  return `<HardDisk uuid="{${id}}" location="/m/{${id}}.vdi" format="VDI">${children}</HardDisk>`
}

async function homeWith(home: string, disks: string): Promise<void> {
  const text =
    '<?xml version="1.0"?>\n<VirtualBox xmlns="http://www.virtualbox.org/" version="1.12-linux"><Global>' +
    `<MediaRegistry><HardDisks>${disks}</HardDisks></MediaRegistry></Global></VirtualBox>\n`
  await writeFile(join(home, 'VirtualBox.xml'), text)
}

t.test('what VirtualBox kept of a machine is forgotten, children first, and nothing else', async t => {
  const home = await temporaryFolder(t)
  await homeWith(home, disk(base, disk(middle, disk(leaf))) + disk(foreign))
  const asked: string[] = []
  const manage = {
    forgetImage: async (id: string) => {
      asked.push(id)
      if (id === middle) throw new VboxmergeError('engine_failed', 'Cannot forget it: it has a child')
    },
  } as unknown as Manage
  await forgetImages(
    { files: realFiles, manage, vboxUserHome: home },
    new Set([base, middle, leaf, testUuid(9)]),
  )
  t.strictSame(asked, [leaf, middle, base], 'going on after one that is needed elsewhere')
})

t.test('without leftovers VBoxManage is not called', async t => {
  const home = await temporaryFolder(t)
  const manage = {
    forgetImage: async () => {
      throw new RangeError('called')
    },
  } as unknown as Manage
  const context = { files: realFiles, manage, vboxUserHome: home }
  await t.resolves(forgetImages(context, new Set([base])), 'without a VirtualBox.xml')
  await homeWith(home, disk(foreign))
  await t.resolves(forgetImages(context, new Set([base])))
})
