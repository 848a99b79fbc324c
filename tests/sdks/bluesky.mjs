// `@atproto/api` through the gateway.
import { task, image, until, refusal, done } from './common.mjs'
import { AtpAgent, RichText } from '@atproto/api'

const service = task.service
const told = {}

async function agentWith(key) {
  const agent = new AtpAgent({ service })
  await agent.login({ identifier: task.handle, password: key })
  return agent
}

const agent = await agentWith(task.key)
told.did = agent.session.did
told.handle = agent.session.handle
told.service = [agent.serviceUrl.origin, agent.pdsUrl?.origin ?? null]

const { data: uploaded } = await agent.uploadBlob(image, { encoding: 'image/png' })
const text = new RichText({ text: `Hello from node, with ${task.friend} and https://acme.example` })
await text.detectFacets(agent)
const post = await agent.post({
  text: text.text,
  facets: text.facets,
  langs: ['en'],
  embed: { $type: 'app.bsky.embed.images', images: [{ alt: 'a red dot', image: uploaded.blob }] },
})
const parent = { uri: post.uri, cid: post.cid }
const reply = await agent.post({ text: 'And a reply.', reply: { root: parent, parent } })
told.timeline = await until('both in the timeline', async () => {
  const { data } = await agent.getTimeline({ limit: 30 })
  const uris = data.feed.map((entry) => entry.post.uri)
  return uris.includes(post.uri) && uris.includes(reply.uri) ? data.feed.length : null
})
const { data: thread } = await agent.getPostThread({ uri: post.uri })
told.replies = thread.thread.replies.length
told.images = thread.thread.post.embed.images.length
told.facets = thread.thread.post.record.facets.length
told.notifications = await until('a mention', async () => {
  const { data } = await agent.listNotifications()
  return data.notifications.length > 0 ? data.notifications.map((one) => one.reason) : null
})

const before = agent.session.accessJwt
await agent.sessionManager.refreshSession()
told.renewed = typeof agent.session.accessJwt === 'string' && before !== undefined
told.resumed = (await new AtpAgent({ service }).resumeSession({ ...agent.session })).data.did

const facts = (error) => ({ status: error.status, error: error.error, message: error.message })
const reader = task.reader && (await agentWith(task.reader))
told.refused = {
  grant: reader && await refusal(() => reader.post({ text: 'nobody let me' }), facts),
  policy: await refusal(() => agent.post({ text: 'our miracle cure' }), facts),
  held: await refusal(() => agent.post({ text: 'cheap crisps' }), facts),
  mint: await refusal(() => agent.com.atproto.server.createAppPassword({ name: 'mine' }), facts),
  service: await refusal(() => agent.com.atproto.server.getServiceAuth({ aud: 'did:web:evil.example' }), facts),
  like: await refusal(() => agent.like(post.uri, post.cid), facts),
  // In a tunnel nobody looks at it: the key is that of the tunnel.
  password: reader && await refusal(() => agentWith('hunter2'), facts),
}

await agent.deletePost(reply.uri)
await agent.deletePost(post.uri)
told.deleted = [post.uri, reply.uri]
await agent.logout()
told.loggedOut = agent.session === undefined
done(told)
