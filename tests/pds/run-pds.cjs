// Starts a real Bluesky PDS with an in-memory did:plc directory on 127.0.0.1, makes two accounts with app passwords,
// prints one line of JSON when all is ready, and lives until its standard input ends or it gets a signal.
//
//   node run-pds.cjs [PDS-PORT [PLC-PORT]]      (or PDS_PORT, PLC_PORT; 0 or nothing takes a free port)
//
// {"pds": "http://127.0.0.1:…", "plc": "http://127.0.0.1:…",
//  "accounts": [{"handle", "did", "password", "accountPassword", "accessJwt"}, …]}
// `password` is the app password, which is what an integration is given.
'use strict'

const crypto = require('node:crypto')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

process.env.LOG_ENABLED ??= 'false'

const { AtpAgent } = require('@atproto/api')
const { Secp256k1Keypair } = require('@atproto/crypto')
const { PDS, envToCfg, envToSecrets, readEnv } = require('@atproto/pds')
const plc = require('@did-plc/server')
const { HOST, freePort, listenOnlyHere } = require('./loopback.cjs')

const HANDLES = ['acme.test', 'friend.test']

async function portFrom(argument, variable) {
  const port = Number(argument ?? process.env[variable] ?? 0)
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`not a port: ${argument ?? process.env[variable]}`)
  return port === 0 ? freePort() : port
}

async function startPds(port, plcUrl, adminPassword, folder) {
  const blobs = path.join(folder, 'blobs')
  fs.mkdirSync(blobs, { recursive: true })
  const env = {
    ...readEnv(),
    port,
    hostname: 'localhost',
    devMode: true,
    dataDirectory: folder,
    blobstoreDiskLocation: blobs,
    didPlcUrl: plcUrl,
    plcRotationKeyK256PrivateKeyHex: crypto.randomBytes(32).toString('hex'),
    recoveryDidKey: (await Secp256k1Keypair.create()).did(),
    adminPassword,
    jwtSecret: crypto.randomBytes(32).toString('hex'),
    serviceHandleDomains: ['.test'],
    inviteRequired: false,
    disableSsrfProtection: true,
    // There is no AppView and no moderation service: posts are written and read through the PDS alone.
    bskyAppViewUrl: 'https://appview.invalid',
    bskyAppViewDid: 'did:example:appview',
    modServiceUrl: 'https://moderation.invalid',
    modServiceDid: 'did:example:moderation',
  }
  const pds = await PDS.create(envToCfg(env), envToSecrets(env))
  await pds.start()
  return pds
}

// A PDS keeps names like `acme` for itself: only its administrator may give them out, so the account is made under
// another name first.
async function makeAccount(service, adminPassword, handle) {
  const accountPassword = crypto.randomBytes(12).toString('hex')
  const [name] = handle.split('.')
  const agent = new AtpAgent({ service })
  await agent.createAccount({ handle: `new-${name}.test`, email: `${name}@example.com`, password: accountPassword })
  const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
  const rename = { did: agent.session.did, handle }
  await agent.com.atproto.admin.updateAccountHandle(rename, { headers: { authorization }, encoding: 'application/json' })
  const made = await agent.com.atproto.server.createAppPassword({ name: 'gateway' })
  return { handle, did: agent.session.did, password: made.data.password, accountPassword, accessJwt: agent.session.accessJwt }
}

async function main() {
  listenOnlyHere()
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pds-'))
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(0))
  if (!process.stdin.isTTY) {
    process.stdin.once('end', () => process.exit(0))
    process.stdin.resume()
  }

  const plcPort = await portFrom(process.argv[3], 'PLC_PORT')
  const pdsPort = await portFrom(process.argv[2], 'PDS_PORT')
  const directory = plc.PlcServer.create({ db: plc.Database.mock(), port: plcPort })
  await directory.start()
  const plcUrl = `http://${HOST}:${plcPort}`
  const adminPassword = crypto.randomBytes(16).toString('hex')
  await startPds(pdsPort, plcUrl, adminPassword, folder)
  const pdsUrl = `http://${HOST}:${pdsPort}`

  const accounts = []
  for (const handle of HANDLES) accounts.push(await makeAccount(pdsUrl, adminPassword, handle))
  console.log(JSON.stringify({ pds: pdsUrl, plc: plcUrl, accounts }))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
