// npm bittorrent-dht on one loopback address: looks up, announces, gets and puts until its time is over.
// It is told ADDRESS PORT SECONDS CONTACT…, and fails when nobody ever acknowledged an announce.

import { createHash } from 'node:crypto'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const PAUSE = 3000 // ms between two requests: each is dozens of datagrams, and who sends many gets few answers
const modules = process.env.TELESCOPE_NODE_MODULES
const { default: DHT } = await import(pathToFileURL(path.join(modules, 'bittorrent-dht', 'index.js')))

const [address, port, seconds, ...contacts] = process.argv.slice(2)
const bootstrap = contacts.map(contact => {
  const [host, port] = contact.split(':')
  return { host, port: Number(port) }
})
const dht = new DHT({ bootstrap, host: address })
dht.listen(Number(port), address)
await new Promise(resolve => dht.once('listening', resolve))

const ends = Date.now() + 1000 * Number(seconds)
const lookup = promisify(dht.lookup.bind(dht))
const get = promisify(dht.get.bind(dht))
const put = promisify(dht.put.bind(dht))
// Fails when nobody answers in time: then it was acknowledged by nobody.
const announce = (id, port) => promisify(dht.announce.bind(dht))(id, port).catch(() => 0)

let acknowledged = 0
for (let step = 0; Date.now() < ends; step++) {
  const id = createHash('sha1').update(`${address} ${step}`).digest()
  switch (step % 5) {
    case 0: await lookup(id); break
    case 1: acknowledged += await announce(id, 7000 + step); break
    case 2: await get(id); break
    case 3: acknowledged += await announce(id, 0); break // port 0: the implied one
    case 4: await put({ v: id }).catch(() => {}); break // likewise
  }
  await new Promise(resolve => setTimeout(resolve, PAUSE))
}
if (!acknowledged) console.error('bittorrent-dht: no announce was acknowledged')
dht.destroy(() => process.exit(acknowledged ? 0 : 1))
