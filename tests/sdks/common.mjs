// What both node clients share: their task, a resolver, and how a refusal is told.
import dns from 'node:dns'
import fs from 'node:fs'

// {"service", "handle", "key", "reader", "image", "host"}: `reader` is none in a tunnel, which has one key; `host` is a name that no DNS knows and that stands for this machine.
export const task = JSON.parse(process.argv[2])
export const image = fs.readFileSync(task.image)

const lookup = dns.lookup
dns.lookup = (name, options, done) => {
  const callback = typeof options === 'function' ? options : done
  if (name !== task.host) return lookup(name, options, done)
  const all = typeof options === 'object' && options !== null && options.all
  return process.nextTick(() => (all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4)))
}

// Until `look` gives something.
export async function until(what, look) {
  for (let tries = 0; tries < 150; tries += 1) {
    const found = await look()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`not within 15 s: ${what}`)
}

// Name and facts of the error that `call` ends in; a call that succeeds is told as none.
export async function refusal(call, facts) {
  try {
    await call()
  } catch (error) {
    return { type: error.constructor.name, ...facts(error) }
  }
  return null
}

export function done(told) {
  console.log(JSON.stringify(told))
}
