import type { OperationName } from '../../options/operation_options.ts'

/** A module as its documentation tells it; `modules/NAME.ts` is what runs. */
export interface ModuleDescription {
  readonly name: string
  readonly operation: OperationName
  readonly kind: 'ensure' | 'info'
  /** Without a full stop. */
  readonly summary: string
  /** Sentences, in Ansible's markup. */
  readonly description: readonly string[]
  /** Tasks, as YAML. */
  readonly examples: string
}

const merged: ModuleDescription = {
  name: 'vbox_merged',
  operation: 'merge',
  kind: 'ensure',
  summary: 'Fold the snapshots of a VirtualBox machine into its base images',
  description: [
    'Folds the current branch of snapshots, and the current state, into the base images.',
    'Does nothing when that is already so. A lone snapshot called I(base_snapshot) that nothing was written on may stay.',
    'The machine must be off. Snapshots of other branches are never touched unless I(branches) is C(discard).',
  ],
  examples: `
- name: Fold all snapshots of one machine
  vboxmerge.virtualbox.vbox_merged:
    machine: web

- name: Keep the two most recent snapshots, and leave a machine that runs alone
  vboxmerge.virtualbox.vbox_merged:
    machine: /srv/machines/web/web.vbox
    skip: 2
    branches: stop
    when_busy: skip

# Hours of work outlive a connection. Ansible refuses async in check mode.
- name: Fold the snapshots of a large machine
  vboxmerge.virtualbox.vbox_merged:
    machine: database
  async: "{{ ansible_check_mode | ternary(0, 21600) }}"
  poll: 15
`,
}

const compacted: ModuleDescription = {
  name: 'vbox_compacted',
  operation: 'compact',
  kind: 'ensure',
  summary: 'Drop blocks that no one needs from the base images of a VirtualBox machine',
  description: [
    'Drops blocks that no one needs from the base images, and shortens their files.',
    'Does nothing when less than I(min_reclaim) can be gained; what was found is remembered in the machine, so that the next look is quick.',
    'Gives back blocks of zeros, and what no file system of the guest uses, without starting the guest. What is not understood, not cleanly shut down, encrypted or asleep is kept, with a warning.',
    'Merge first, M(vboxmerge.virtualbox.vbox_merged), to gain most.',
  ],
  examples: `
- name: Compact a machine where that gives back a twentieth
  vboxmerge.virtualbox.vbox_compacted:
    machine: web
    min_reclaim: 5%
`,
}

const baseSnapshot: ModuleDescription = {
  name: 'vbox_base_snapshot',
  operation: 'snapshot',
  kind: 'ensure',
  summary: 'Shield the base images of a VirtualBox machine by a snapshot',
  description: [
    'Takes a snapshot called I(snapshot_name), so that the base images are not written to any more.',
    'Does nothing when the current state hangs on a snapshot of that name already.',
  ],
  examples: `
- name: Shield the base images
  vboxmerge.virtualbox.vbox_base_snapshot:
    machine: web
    snapshot_name: Clean
    snapshot_description: Before the tests
`,
}

const goldenImage: ModuleDescription = {
  name: 'vbox_golden_image',
  operation: 'golden',
  kind: 'ensure',
  summary: 'Merge, compact and shield a VirtualBox machine in one pass',
  description: [
    'Folds the snapshots into the base images, drops blocks that no one needs, and takes the base snapshot, in one pass over the disks where the engine can.',
    'Does nothing when all three are so.',
    'The same as M(vboxmerge.virtualbox.vbox_merged), M(vboxmerge.virtualbox.vbox_compacted) and M(vboxmerge.virtualbox.vbox_base_snapshot) after each other.',
  ],
  examples: `
- name: Make one compact image under the snapshot "Base"
  vboxmerge.virtualbox.vbox_golden_image:
    machine: web
  register: golden

- name: Make it, and write a page on what was done that can go with the image
  vboxmerge.virtualbox.vbox_golden_image:
    machine: web
    report: ~/reports/web.html

- name: Say what was gained
  ansible.builtin.debug:
    msg: "{{ (golden.before.bytes - golden.after.bytes) | human_readable }}"
`,
}

const clone: ModuleDescription = {
  name: 'vbox_clone',
  operation: 'clone',
  kind: 'ensure',
  summary: 'Make a second, flat VirtualBox machine of a state of another one',
  description: [
    'Makes a machine whose disks equal the current state, or the snapshot I(from), of I(machine), which stays as it is.',
    'The clone has no snapshots, UUIDs and MAC addresses of its own, and no block that no one needs.',
    'Does nothing when there is a clone of the same state; a clone of another state is refused unless I(replace).',
  ],
  examples: `
- name: Have a clone of the state of today, whatever was there before
  vboxmerge.virtualbox.vbox_clone:
    machine: web
    clone_name: web of today
    replace: true
  register: made

- name: Say where it is
  ansible.builtin.debug:
    msg: "{{ made.clone.settings_file }}"
`,
}

const machineInfo: ModuleDescription = {
  name: 'vbox_machine_info',
  operation: 'info',
  kind: 'info',
  summary: 'Read the snapshots, images and sizes of VirtualBox machines',
  description: [
    'Reads one machine, or without I(machine) all that are registered with VirtualBox for the user who runs.',
    'Says what each of the other modules would do with its default options. Writes nothing.',
  ],
  examples: `
- name: Read all registered machines
  vboxmerge.virtualbox.vbox_machine_info:
  register: known

- name: Name the machines that have snapshots to merge
  ansible.builtin.debug:
    msg: "{{ known.machines | selectattr('plans.merged.changed', 'equalto', true) | map(attribute='machine.name') }}"
`,
}

/** All modules. */
export const MODULES: readonly ModuleDescription[] = [
  merged,
  compacted,
  baseSnapshot,
  goldenImage,
  clone,
  machineInfo,
]
