// `masto` through the gateway.
import { task, image, until, refusal, done } from './common.mjs'
import { createOAuthAPIClient, createRestAPIClient } from 'masto'

const url = task.service
const told = {}

async function clientWith(key) {
  const oauth = createOAuthAPIClient({ url })
  const token = await oauth.token.create({
    grantType: 'password', clientId: 'any', clientSecret: 'any', username: task.handle, password: key, scope: 'read write',
  })
  return createRestAPIClient({ url, accessToken: token.accessToken })
}

const masto = await clientWith(task.key)
told.me = (await masto.v1.accounts.verifyCredentials()).acct
const medium = await masto.v2.media.create({ file: new File([image], 'dot.png', { type: 'image/png' }), description: 'a red dot' })
const status = await masto.v1.statuses.create({ status: 'Hello from node', mediaIds: [medium.id], visibility: 'unlisted', language: 'en' })
const reply = await masto.v1.statuses.create({ status: 'And a reply.', inReplyToId: status.id })
told.images = status.mediaAttachments.length
told.reply = reply.inReplyToId === status.id
told.timeline = await until('both in the timeline', async () => {
  const ids = (await masto.v1.timelines.home.list({ limit: 30 })).map((one) => one.id)
  return ids.includes(status.id) && ids.includes(reply.id) ? ids.length : null
})
// Somebody answers whatever is posted here.
told.notifications = await until('an answer', async () => {
  const all = await masto.v1.notifications.list({ types: ['mention'] })
  const one = all.find((one) => one.status.inReplyToId === status.id)
  return one && [one.type, one.account.acct, one.status.content]
})

const facts = (error) => ({ status: error.statusCode, error: error.additionalProperties?.error_description ?? error.description, message: error.message })
const reader = task.reader && (await clientWith(task.reader))
told.refused = {
  grant: reader && await refusal(() => reader.v1.statuses.create({ status: 'nobody let me' }), facts),
  policy: await refusal(() => masto.v1.statuses.create({ status: 'our miracle cure' }), facts),
  held: await refusal(() => masto.v1.statuses.create({ status: 'cheap crisps' }), facts),
  mint: await refusal(() => masto.v1.apps.create({ clientName: 'mine', redirectUris: 'urn:ietf:wg:oauth:2.0:oob' }), facts),
  // In a tunnel nobody looks at it: the key is that of the tunnel.
  password: reader && await refusal(() => clientWith('hunter2'), facts),
}
await masto.v1.statuses.$select(reply.id).remove()
await masto.v1.statuses.$select(status.id).remove()
told.deleted = [status.id, reply.id]
done(told)
