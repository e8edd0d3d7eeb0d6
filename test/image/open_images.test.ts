import t from 'tap'
import { openImages } from '../../lib/image/open_images.ts'
import { baseHeader, createImage } from '../../lib/image/vdi/create.ts'
import { interceptedFiles } from '../../lib/io/intercepted_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'

const PATHS = Array.from({ length: 11 }, (_, index) => `/image${index}.vdi`)

async function withImages() {
  const files = new RecordedFiles()
  for (const path of PATHS) await createImage(files, path, baseHeader({ capacity: 2 ** 20 }))
  let open = 0
  const counted = interceptedFiles(files, async ({ operation, path }, run) => {
    // The last ones are the quickest.
    if (operation === 'read') {
      for (let turns = 50 - PATHS.indexOf(path); turns > 0; turns--) await Promise.resolve()
    }
    const result = await run()
    if (operation === 'open') open += 1
    if (operation === 'close') open -= 1
    return result
  })
  return { files, counted, stillOpen: () => open }
}

t.test('images come in the order of their paths, one of them to be written', async t => {
  const { counted, stillOpen } = await withImages()
  const images = await openImages(counted, PATHS, 3)
  t.same(
    images.map(({ path }) => path),
    PATHS,
  )
  for (const [index, { file }] of images.entries()) {
    const written = file.write(new Uint8Array(1), 0)
    if (index === 3) await t.resolves(written)
    else await t.rejects(written, { code: 'EBADF' })
    await file.close()
  }
  t.equal(stillOpen(), 0)
})

t.test('when one cannot be opened, none is left open', async t => {
  const { files, counted, stillOpen } = await withImages()
  await files.unlink('/image7.vdi')
  await t.rejects(openImages(counted, PATHS), { code: 'image_missing' })
  t.equal(stillOpen(), 0)
})
