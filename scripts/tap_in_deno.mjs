// Lets tap run in Deno: deno run --preload=scripts/tap_in_deno.mjs FILE.test.ts
//
// tap knows a call site by the name of its class, and Deno makes call sites without one.
class CallSite {}

const usual = Error.prepareStackTrace
Error.prepareStackTrace = (_, sites) => sites
const [site] = new Error('to have a call site').stack
Error.prepareStackTrace = usual
Object.defineProperty(Object.getPrototypeOf(site), 'constructor', { value: CallSite })
