import { VboxmergeError } from '../../errors.ts'
import type { Files } from '../../io/files.ts'
import type { Uuid } from '../../machine/machine.ts'
import { eachMedium } from '../../machine/media_graph.ts'
import { loadRegistry } from '../../machine/registry.ts'
import type { Manage } from '../../virtualbox/manage.ts'

/** What is needed to look into VirtualBox's own media registry. */
export interface ForgetContext {
  readonly files: Files
  readonly manage: Manage
  readonly vboxUserHome: string
}

/**
 * Makes VirtualBox forget those of a machine's images that it kept when it let go of the machine.
 *
 * `unregistervm` moves images that no state of the machine is attached to, and all below them, into
 * `VirtualBox.xml` (7.2.22, measured). There they would contradict the machine's new settings, which VirtualBox
 * then refuses to register, or stay behind as images that cannot be read. Images that another machine needs
 * VirtualBox does not forget, and that is no failure.
 *
 * @param images UUIDs of the machine's images, also of those that are folded by now.
 */
export async function forgetImages(
  { files, manage, vboxUserHome }: ForgetContext,
  images: ReadonlySet<Uuid>,
): Promise<void> {
  const { media } = await loadRegistry(files, vboxUserHome)
  // Children first: VirtualBox forgets no image that has one.
  for (const { id } of [...eachMedium(media)].reverse()) {
    if (!images.has(id)) continue
    try {
      await manage.forgetImage(id)
    } catch (error) {
      if (!(error instanceof VboxmergeError)) throw error
    }
  }
}
