// Starts the whole Bluesky network of a developer on 127.0.0.1: PDS, did:plc directory, AppView and what is between them. Makes two
// accounts, has one mention the other, prints one line of JSON when all is ready, and lives until its standard input ends or it gets
// a signal.
//
//   DB_POSTGRES_URL=… REDIS_HOST=127.0.0.1:… node run-network.cjs
//
// {"pds": "http://localhost:…", "appview": "…", "accounts": [{"handle", "did", "password", "accountPassword", "accessJwt"}, …]}
// `password` is the app password, which is what an integration is given. Answers to logins have a `didDoc`.
'use strict'

process.env.LOG_ENABLED ??= 'false'

const { AtpAgent, RichText } = require('@atproto/api')
const { TestNetwork } = require('@atproto/dev-env')
const { freePort, listenOnlyHere } = require('./loopback.cjs')

const HANDLES = ['acme.test', 'friend.test']

async function makeAccount(network, handle) {
  const accountPassword = `${handle}-password`
  const [name] = handle.split('.')
  const agent = new AtpAgent({ service: network.pds.url })
  await agent.createAccount({ handle: `new-${name}.test`, email: `${name}@example.com`, password: accountPassword })
  // A PDS keeps names like `acme` for itself: only its administrator may give them out.
  await agent.com.atproto.admin.updateAccountHandle(
    { did: agent.session.did, handle },
    { headers: network.pds.adminAuthHeaders(), encoding: 'application/json' },
  )
  const made = await agent.com.atproto.server.createAppPassword({ name: 'gateway' })
  return { agent, told: { handle, did: agent.session.did, password: made.data.password, accountPassword, accessJwt: agent.session.accessJwt } }
}

async function main() {
  listenOnlyHere()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(0))
  if (!process.stdin.isTTY) {
    process.stdin.once('end', () => process.exit(0))
    process.stdin.resume()
  }
  // Letters and underscores only.
  const schema = `net_${process.pid.toString().replace(/\d/g, (digit) => 'abcdefghij'[digit])}`
  const network = await TestNetwork.create({
    dbPostgresSchema: schema,
    pds: { port: await freePort(), hostname: 'localhost', enableDidDocWithSession: true },
    plc: { port: await freePort() },
    bsky: { port: await freePort() },
  })
  const accounts = []
  for (const handle of HANDLES) accounts.push(await makeAccount(network, handle))
  await network.processAll()
  const friend = accounts[1].agent
  const text = new RichText({ text: `Good crisps, @${HANDLES[0]}!` })
  await text.detectFacets(friend)
  await friend.post({ text: text.text, facets: text.facets })
  await network.processAll()
  const line = { pds: network.pds.url, appview: network.bsky.url, accounts: accounts.map((account) => account.told) }
  console.log(JSON.stringify(line))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
