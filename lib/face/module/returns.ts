/** What Ansible's documentation says of a key of a result. */
export interface ReturnValue {
  readonly description: string
  readonly type: 'bool' | 'int' | 'float' | 'str' | 'list' | 'dict'
  readonly elements?: 'str' | 'float' | 'dict'
  readonly returned: string
  readonly contains?: Readonly<Record<string, ReturnValue>>
}

const SUCCESS = 'on success'
const FAILURE = 'on failure'

type Leaf = (description: string, returned?: string) => ReturnValue

const leaf =
  (type: ReturnValue['type']): Leaf =>
  (description, returned = SUCCESS) => ({ description, type, returned })

const text = leaf('str')
const whole = leaf('int')
const truth = leaf('bool')

function dict(
  description: string,
  contains: ReturnValue['contains'] = {},
  returned: string = SUCCESS,
): ReturnValue {
  return { description, type: 'dict', returned, ...(Object.keys(contains).length > 0 ? { contains } : {}) }
}

function list(description: string, contains: ReturnValue['contains'] = {}): ReturnValue {
  return {
    description,
    type: 'list',
    elements: 'dict',
    returned: SUCCESS,
    ...(Object.keys(contains).length > 0 ? { contains } : {}),
  }
}

const machine = dict('Which machine it is.', {
  name: text('Its name.'),
  id: text('Its UUID.'),
  settings_file: text('Absolute path of its C(.vbox) file.'),
  registered: truth('Whether VirtualBox knows it.'),
})

const summary = (description: string): ReturnValue =>
  dict(description, {
    state: text('For example C(poweroff).'),
    snapshots: whole('Number of snapshots.'),
    current_snapshot: dict('C(id) and C(name) of the current snapshot, or null.'),
    images: whole('Number of hard disk images.'),
    bytes: whole('Length of all image files.'),
    allocated_bytes: whole('Bytes of all allocated blocks.'),
    capacity: whole('Sizes of the virtual disks, added, in bytes.'),
    exact: truth('False when the figures are an upper bound.'),
  })

const digests = list('Content of the disks, when I(digest) was asked for, else null.', {
  controller: text('Name of the controller.'),
  port: whole('Port of the controller.'),
  device: whole('Device at the port.'),
  image: text('UUID of the image.'),
  sha256: text('SHA-256 of the whole virtual disk.'),
})

const volumes = list('What lies on the disks of the current state.', {
  controller: text('Name of the controller.'),
  port: whole('Port of the controller.'),
  device: whole('Device at the port.'),
  where: text('For example C(partition 2).'),
  kind: text('For example C(ext4); C(unknown) where nothing known was found.'),
  label: text('Its label, or null.'),
  size: whole('Its size in bytes.'),
  used: whole('Bytes in use, or null when that is not known.'),
  free: whole('Bytes that hold nothing, or null when that is not known.'),
  reclaimable: whole('Bytes that compaction can give back, or null when that was not looked for.'),
  kept: dict('Why every block is kept, as C(code) and C(reason), or null.'),
})

const estimate = dict('What the work would take, in check mode where there is something to do, else null.', {
  seconds: whole('About how long, or null where VirtualBox does the work.'),
  bytes_per_second: whole('The rate that C(seconds) counts with.'),
  measured: truth('Whether that rate was measured; else it is a careful guess.'),
  space: list('Room that must be free before the work begins, by file system.', {
    folder: text('A folder on that file system.'),
    needed_bytes: whole('Bytes that must be free.'),
    missing_bytes: whole('Bytes that are still to be made free; 0 when there is room.'),
  }),
})

const warnings: ReturnValue = {
  description: 'What should be known that is no failure. Ansible shows and removes them.',
  type: 'list',
  elements: 'str',
  returned: 'always',
}

const failure: Readonly<Record<string, ReturnValue>> = {
  failed: truth('Whether it failed.', 'always'),
  msg: text('What was done, or why it failed, in words.', 'always'),
  code: text('Stable name of the failure, such as C(machine_not_off).', FAILURE),
  steps_done: whole('Steps that were finished before the failure.', FAILURE),
  steps_left: whole('Steps that were not finished, or null when that is not known.', FAILURE),
}

const ensureReturns: Readonly<Record<string, ReturnValue>> = {
  changed: truth('Whether something was done, or in check mode would be.', 'always'),
  ...failure,
  skipped: text('Why the machine was left alone although there was something to do, or null.'),
  machine,
  engine: text('Who did the work, C(direct) or C(virtualbox).'),
  engine_reason: text('Why that one.'),
  steps: list('What was done, or in check mode would be, in order.', {
    kind: text('For example C(merge), C(compact), C(snapshot).'),
    forecast: dict('Bytes read, written, and freed on the host.'),
  }),
  times: dict(
    'How long the work took, without looking before and after, in seconds; null when nothing was done.',
    {
      total: { description: 'All of it.', type: 'float', returned: SUCCESS },
      steps: {
        description: 'Each step, in their order; null for one that was done in one pass with others.',
        type: 'list',
        elements: 'float',
        returned: SUCCESS,
      },
    },
  ),
  before: summary('The machine before the work.'),
  after: summary('The machine after the work; in check mode the forecast.'),
  shared_bytes: whole('Bytes that files share now instead of having been copied.'),
  volumes,
  estimate,
  clone: dict('The clone, of M(vboxmerge.virtualbox.vbox_clone), else null.', {
    name: text('Its name.'),
    id: text('Its UUID; null where it is still to be made.'),
    settings_file: text('Absolute path of its C(.vbox) file.'),
    registered: truth('Whether VirtualBox knows it.'),
  }),
  backup: text('Absolute path of the backup that I(backup) asked for, else null.'),
  digests,
  warnings,
  diff: dict(
    'C(before) and C(after) again.',
    { before: dict('The machine before the work.'), after: dict('The machine after the work.') },
    'in diff mode',
  ),
}

const refusal = dict('Why it would refuse to do anything, or null.', {
  code: text('Stable name of the refusal.'),
  message: text('The refusal in words.'),
})

const infoReturns: Readonly<Record<string, ReturnValue>> = {
  changed: truth('Always false.', 'always'),
  ...failure,
  machines: list('The machines, even if it is one.', {
    machine,
    state: text('For example C(poweroff); C(inaccessible) where it cannot be read.'),
    summary: summary('Figures of the machine.'),
    running: dict('The run of vboxmerge that works on it at this moment, or null.', {
      operation: text(
        'For example C(golden_image); null where the run does not tell, as in its first second.',
      ),
      step: text('What it is at, in words, or null.'),
      percent: whole('How much of the whole run is done, or null.'),
      seconds_left: whole('About how long it still takes, or null.'),
      pid: whole('Number of its process.'),
      host: text('Name of the computer on which it runs.'),
      started: text('When it took the machine, as C(2026-01-31T12:00:00.000Z).'),
    }),
    unfinished: dict('Work that was begun and is not finished, while nobody is at it, or null.', {
      reason: text('What happened.'),
      help: text('What finishes it.'),
    }),
    snapshots: list('Snapshots, parents before their children.'),
    images: list('Hard disk images with their sizes.'),
    disks: list('The disks of the current state and what they are made of; empty without I(machine).'),
    volumes,
    plans: dict('What each module would do with its default options, by C(merged), C(compacted) and so on.', {
      '<operation>': dict('What one module would do.', {
        changed: truth('Whether it would do anything; C(unknown) where only I(scan) could tell.'),
        steps: list('What it would do.'),
        saved_bytes: whole('Bytes that the host would have more, or null when that is not known.'),
        estimate,
        refusal,
      }),
    }),
    warnings: list('Problems of the machine, with C(code) and C(message).'),
    digests,
  }),
  warnings,
}

/** What a module of a kind returns, by key. */
export const RETURNS: Readonly<Record<'ensure' | 'info', Readonly<Record<string, ReturnValue>>>> = {
  ensure: ensureReturns,
  info: infoReturns,
}
