// Servers that can't be told an address, kept on 127.0.0.1.
'use strict'

const http = require('node:http')
const net = require('node:net')

const HOST = '127.0.0.1'

// They would listen on every address.
function listenOnlyHere() {
  const listen = http.Server.prototype.listen
  http.Server.prototype.listen = function (port, ...rest) {
    const plainPort = /^\d+$/.test(String(port)) && typeof rest[0] !== 'string'
    return plainPort ? listen.call(this, Number(port), HOST, ...rest) : listen.call(this, port, ...rest)
  }
}

// A server writes its own address into records and tokens, so the port must be known before it starts.
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer()
    probe.once('error', reject)
    probe.listen(0, HOST, () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

module.exports = { HOST, listenOnlyHere, freePort }
