/**
 * Does work on items, on several at a time and beginning them in their order. After a failure no other item is
 * begun.
 *
 * @param items Taken one by one as lanes get free; may be endless work made on the way.
 * @throws The first failure of the first lane that had one. No work is under way any more when the promise settles.
 */
export async function inLanes<Item>(
  lanes: number,
  items: Iterable<Item>,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const lane = async (): Promise<void> => {
    try {
      for (let next = iterator.next(); !failed && next.done !== true; next = iterator.next()) {
        await work(next.value)
      }
    } catch (error) {
      failed = true
      throw error
    }
  }
  for (const outcome of await Promise.allSettled(Array.from({ length: lanes }, lane))) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
}
