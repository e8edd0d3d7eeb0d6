/** A table entry: the block is not in this image; its parent is asked, and a base reads as zeros. */
export const FREE = 0xffffffff

/** A table entry: the block reads as zeros and hides the parent. */
export const ZERO = 0xfffffffe
