/** The version of this package, as package.json and deno.json have it; a file of its own is not there everywhere. */
export const VERSION = '0.1.0'
