// Reads an account's posts back through @atproto/api, as somebody else's client would.
//
//   node read.cjs PDS IDENTIFIER PASSWORD records    posts in order of their record keys, with the text under each facet
//   node read.cjs PDS IDENTIFIER PASSWORD blobs      size and SHA-256 of each picture of these posts, as served
//
// The answer is one JSON array on standard output.
'use strict'

const crypto = require('node:crypto')
const { AtpAgent, RichText } = require('@atproto/api')

const COLLECTION = 'app.bsky.feed.post'
const PAGE = 100

async function allRecords(agent, repo) {
  const records = []
  let cursor
  do {
    const page = await agent.com.atproto.repo.listRecords({ repo, collection: COLLECTION, limit: PAGE, cursor, reverse: true })
    records.push(...page.data.records)
    cursor = page.data.cursor
  } while (cursor)
  return records
}

// What each facet cuts out. `text` is cut by RichText; `bytes` straight from the UTF-8, so that a facet outside the
// text or across a character is seen and not mended.
function facets(value) {
  const rich = new RichText({ text: value.text, facets: value.facets ?? [] })
  const utf8 = Buffer.from(value.text, 'utf8')
  return (value.facets ?? []).map((facet) => {
    const { byteStart, byteEnd } = facet.index
    return {
      byteStart,
      byteEnd,
      text: rich.unicodeText.slice(byteStart, byteEnd),
      bytes: utf8.subarray(byteStart, byteEnd).toString('hex'),
      features: facet.features,
    }
  })
}

function images(value) {
  const embed = value.embed
  const found = embed?.images ?? embed?.media?.images ?? []
  return found.map(({ alt, image }) => ({ alt, cid: image.ref.toString(), mimeType: image.mimeType, size: image.size }))
}

async function blobs(agent, did, records) {
  const found = []
  for (const { uri, value } of records) {
    for (const image of images(value)) {
      const answer = await agent.com.atproto.sync.getBlob({ did, cid: image.cid })
      const bytes = Buffer.from(answer.data)
      const sha256 = crypto.createHash('sha256').update(bytes).digest('hex')
      const mimeType = answer.headers['content-type'] ?? null
      found.push({ uri, cid: image.cid, alt: image.alt, declaredSize: image.size, size: bytes.length, sha256, mimeType })
    }
  }
  return found
}

async function main() {
  const [service, identifier, password, what] = process.argv.slice(2)
  if (!['records', 'blobs'].includes(what)) {
    console.error('usage: node read.cjs PDS IDENTIFIER PASSWORD records|blobs')
    process.exit(2)
  }
  const agent = new AtpAgent({ service })
  await agent.login({ identifier, password })
  const { did } = agent.session
  const records = await allRecords(agent, did)
  const answer =
    what === 'blobs'
      ? await blobs(agent, did, records)
      : records.map(({ uri, cid, value }) => ({ uri, cid, value, facets: facets(value), images: images(value) }))
  console.log(JSON.stringify(answer))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
