// Somebody else's program: it knows Pressgate by a client that was generated from /v1/openapi.json, and by nothing else.
//
//   PRESSGATE_URL=… NEWSROOM_KEY=… CHIEF_KEY=… AGENCY_KEY=… node use.js
//
// It publishes, reads, lists, votes and takes back, and is refused in several ways; any surprise ends it with an error. Every
// exchange goes to standard output, one JSON object in each line, so that the test can hold it against the document.
import assert from 'node:assert/strict'

import { createClient } from './generated/client/index.js'
import * as api from './generated/index.js'
import type { Health, PostRequest, PostView, Problem, TargetView } from './generated/index.js'

const env = (name: string): string => process.env[name] ?? assert.fail(`${name} is not set`)

// A PNG of one pixel.
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

// As a program would that has to tell a person what to do. A word that the document does not list does not compile here.
function advice(problem: Problem): string {
  switch (problem.type) {
    case '/problems/no-grant':
    case '/problems/denied':
      return 'ask for a grant'
    case '/problems/unknown-account':
      return `no account ${problem.errors?.[0]?.account}`
    case '/problems/policy-denied':
      return `change the text: ${problem.verdicts?.flatMap((verdict) => verdict.findings.map((finding) => finding.code))}`
    case '/problems/unauthenticated':
      return 'get a key'
    default:
      return problem.retry ? 'try again later' : `mend it: ${problem.detail}`
  }
}

const recording: typeof fetch = async (input, init) => {
  const request = new Request(input, init)
  const sent = Buffer.from(await request.clone().arrayBuffer())
  const response = await fetch(request)
  const got = Buffer.from(await response.clone().arrayBuffer())
  const url = new URL(request.url)
  process.stdout.write(JSON.stringify({
    method: request.method,
    target: url.pathname + url.search,
    headers: [...request.headers],
    body: sent.toString('utf8'),
    status: response.status,
    answer_headers: [...response.headers],
    answer: got.toString('utf8'),
  }) + '\n')
  return response
}

const caller = (key: string) => createClient({ baseUrl: env('PRESSGATE_URL'), auth: key, fetch: recording })
const newsroom = caller(env('NEWSROOM_KEY'))
const chief = caller(env('CHIEF_KEY'))
const agency = caller(env('AGENCY_KEY'))

// The one target of a post, which is where a program looks for the network's id.
function only(post: PostView): TargetView {
  assert.equal(post.targets.length, 1)
  return post.targets[0] ?? assert.fail('no target')
}

async function whoAndWhere(): Promise<void> {
  const me = await api.whoAmI({ client: newsroom, throwOnError: true })
  assert.equal(me.data.principal, 'app:newsroom')
  assert.deepEqual(me.data.grants.map((grant) => [grant.brand, grant.account]), [['acme', null]])
  const { data } = await api.listAccounts({ client: newsroom, throwOnError: true })
  const ready: Health = 'ready'
  assert.deepEqual(data.accounts.map((account) => [account.id, account.health]), [['acme-mastodon', ready]])
}

async function publishReadAndDelete(): Promise<void> {
  const medium = await api.uploadMedia({ client: newsroom, body: new Blob([PIXEL]), throwOnError: true })
  assert.deepEqual([medium.response.status, medium.data.media_type, medium.data.width], [201, 'image/png', 1])
  const body: PostRequest = {
    accounts: ['acme-mastodon'],
    content: { text: 'Hello', language: 'en', media: [{ id: medium.data.id, alt: 'A dot' }], thread: [{ text: 'and more' }] },
    options: { mastodon: { visibility: 'unlisted' } },
    campaign: 'spring',
  }
  const would = await api.validatePost({ client: newsroom, body, throwOnError: true })
  assert.equal(would.data.state, 'publishing')
  const rehearsal = await api.createPost({ client: newsroom, body: { ...body, dry_run: true }, throwOnError: true })
  assert.equal(rehearsal.response.status, 200)
  assert.ok(!('id' in rehearsal.data), 'nothing was made')

  const headers = { 'Idempotency-Key': 'launch-1', Prefer: 'wait=30' }
  const made = await api.createPost({ client: newsroom, headers, body, throwOnError: true })
  assert.equal(made.response.status, 201)
  assert.ok('id' in made.data)
  const post = made.data
  const target = only(post)
  assert.deepEqual([post.state, target.state, target.parts.length], ['published', 'published', 2])
  assert.equal(typeof target.platform_id, 'string')
  const again = await api.createPost({ client: newsroom, headers, body, throwOnError: true })
  assert.deepEqual(again.data, post, 'the same key gives the same answer')
  const other = await api.createPost({ client: newsroom, headers, body: { ...body, content: { text: 'Other' } } })
  assert.equal(other.error?.type, '/problems/idempotency-mismatch')

  const path = { id: post.id }
  const read = await api.readPost({ client: newsroom, path, throwOnError: true })
  assert.deepEqual(read.data, post)
  await list(post)
  const recalled = await api.recallPost({ client: newsroom, path, headers: { Prefer: 'wait=30' }, throwOnError: true })
  assert.deepEqual([recalled.response.status, recalled.data.state], [200, 'recalled'])
  const twice = await api.recallPost({ client: newsroom, path, query: { account: 'acme-mastodon' } })
  assert.equal(twice.error?.type, '/problems/not-recallable')
}

async function list(first: PostView): Promise<void> {
  const short: PostRequest = { accounts: ['acme-mastodon'], content: { text: 'Short' } }
  await api.createPost({ client: newsroom, headers: { Prefer: 'wait=30' }, body: short, throwOnError: true })
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const query = { account: 'acme-mastodon', state: 'published' as const, limit: 1, cursor }
    const page = await api.listPosts({ client: newsroom, query, throwOnError: true })
    seen.push(...page.data.posts.map((post) => post.id))
    cursor = page.data.next
  } while (cursor)
  assert.deepEqual([seen.length, seen[1]], [2, first.id], 'newest first')
  const spring = await api.listPosts({ client: newsroom, query: { campaign: 'spring' }, throwOnError: true })
  assert.deepEqual(spring.data.posts.map((post) => post.id), [first.id])
}

async function vote(): Promise<void> {
  const body: PostRequest = { accounts: ['acme-mastodon'], content: { text: 'cheap crisps' } }
  const held = await api.createPost({ client: newsroom, body, throwOnError: true })
  assert.equal(held.response.status, 202)
  assert.ok('id' in held.data)
  assert.deepEqual([held.data.state, held.data.verdicts[0]?.outcome], ['held', 'hold'])
  const { id, digest } = held.data
  const ballot = { client: chief, path: { id }, body: { decision: 'approve' as const, digest, note: 'fine' } }
  const voted = await api.votePost({ ...ballot, throwOnError: true })
  assert.deepEqual(voted.data.approvals.map((vote) => [vote.person, vote.decision]), [['chief-1', 'approve']])
  const late = await api.votePost(ballot)
  assert.equal(late.error?.type, '/problems/not-held')
}

async function refusals(): Promise<void> {
  const post = (text: string, account = 'acme-mastodon') => ({ body: { accounts: [account], content: { text } } })
  const refused = async (call: Promise<{ error?: Problem, response: Response }>): Promise<string> => {
    const { error, response } = await call
    assert.ok(error, 'it is refused')
    assert.equal(error.status, response.status)
    return advice(error)
  }
  assert.equal(await refused(api.createPost({ client: newsroom, ...post('x', 'nobody') })), 'no account nobody')
  assert.equal(await refused(api.createPost({ client: agency, ...post('x') })), 'ask for a grant')
  assert.equal(await refused(api.whoAmI({ client: caller('pgk_nonsense') })), 'get a key')
  assert.equal(
    await refused(api.createPost({ client: newsroom, ...post('a miracle cure') })),
    'change the text: forbidden-phrase',
  )
  const long = await api.createPost({ client: newsroom, ...post('x'.repeat(501)) })
  assert.equal(long.error?.type, '/problems/content-invalid')
  assert.deepEqual([long.error.errors?.[0]?.measured, long.error.errors?.[0]?.allowed], [501, 500])
  assert.match(await refused(api.readPost({ client: newsroom, path: { id: 'post_unknown' } })), /^mend it: /)
  await assert.rejects(api.readPost({ client: newsroom, path: { id: 'post_unknown' }, throwOnError: true }))
}

async function audit(): Promise<void> {
  const refused = await api.searchAudit({ client: newsroom })
  assert.equal(refused.error?.type, '/problems/no-audit-right')
  const query = { action: 'post.create', outcome: 'answered', limit: 5 }
  let page = await api.searchAudit({ client: chief, query, throwOnError: true })
  while (page.data.items.length === 0) {
    // The index follows the log; the answer says how far it is.
    assert.ok((page.data.indexed_through ?? -1) <= (page.data.logged_through ?? -1))
    page = await api.searchAudit({ client: chief, query, throwOnError: true })
  }
  const first = page.data.items[0]
  assert.ok(first)
  const one = await api.readAudit({ client: chief, path: { index: first.index }, throwOnError: true })
  assert.deepEqual(one.data, first)
  const checkpoint = await api.readAuditTree({ client: chief, path: { path: 'checkpoint' } })
  assert.equal(checkpoint.response.status, 200)
  const body = { leaf: first.index, reason: 'a complaint' }
  const asked = await api.askReveal({ client: newsroom, body })
  assert.equal(asked.response.status, 403)
  const path = { id: 'reveal_unknown' }
  assert.equal((await api.readReveal({ client: chief, path })).response.status, 403)
  assert.equal((await api.confirmReveal({ client: chief, path })).response.status, 403)
}

// The chief has enrolled none; that a device can be ended is for tests of its own.
async function devices(): Promise<void> {
  const { data } = await api.listDevices({ client: chief, throwOnError: true })
  assert.deepEqual(data.devices, [])
  const ended = await api.endDevice({ client: chief, path: { id: 'unknown' } })
  assert.equal(ended.error?.type, '/problems/not-found')
}

// What stops a campaign that nobody has, and how one person alone does not end it.
async function freezes(): Promise<void> {
  const body = { scope: 'campaign:none', reason: 'drill' }
  const begun = await api.beginFreeze({ client: chief, body, throwOnError: true })
  const { data } = await api.listFreezes({ client: chief, throwOnError: true })
  assert.deepEqual(data.freezes.map((freeze) => freeze.id), [begun.data.id])
  const permitted = await api.permitPost({ client: chief, path: { id: begun.data.id }, body: { post: 'post_nobody' } })
  assert.equal(permitted.response.status, 404)
  const asked = await api.liftFreeze({ client: chief, path: { id: begun.data.id }, body: {}, throwOnError: true })
  assert.equal(asked.data.id, begun.data.id)
}

// A post that is written, changed, given a time and taken back before it is out; what is asked of it too early or too late.
async function lives(): Promise<void> {
  const body = { accounts: ['acme-mastodon'], content: { text: 'later' }, draft: true }
  const draft = await api.createPost({ client: newsroom, body, throwOnError: true })
  assert.ok('id' in draft.data)
  const path = { id: draft.data.id }
  const edited = await api.editPost({ client: newsroom, path, headers: { 'If-Match': '"1"' }, body: { labels: ['calm'] }, throwOnError: true })
  assert.deepEqual([edited.data.version, edited.data.labels, edited.data.state], [2, ['calm'], 'draft'])
  await api.commentPost({ client: newsroom, path, body: { text: 'soon' }, throwOnError: true })
  const at = new Date(Date.now() + 86_400_000).toISOString()
  await api.schedulePost({ client: newsroom, path, body: { schedule: { at } }, throwOnError: true })
  const submitted = await api.submitPost({ client: newsroom, path, body: {}, throwOnError: true })
  assert.equal(submitted.data.state, 'scheduled')
  const planned = await api.readCalendar({ client: newsroom, throwOnError: true })
  assert.deepEqual(planned.data.posts.map((post) => post.post), [path.id])
  assert.match((await api.subscribeCalendar({ client: newsroom, throwOnError: true, parseAs: 'text' })).data, /^BEGIN:VCALENDAR/)
  const feed = await api.createCalendarFeed({ client: newsroom, body: { name: 'mine' }, throwOnError: true })
  assert.match(feed.data.url, /\/calendar\/\w+\.ics$/)
  const feeds = await api.listCalendarFeeds({ client: newsroom, throwOnError: true })
  assert.deepEqual(feeds.data.feeds.map((known) => known.name), ['mine'])
  for (const { id } of feeds.data.feeds) await api.revokeCalendarFeed({ client: newsroom, path: { id }, throwOnError: true })
  assert.deepEqual((await api.listCalendarFeeds({ client: newsroom, throwOnError: true })).data.feeds, [])
  const told = await api.explainPost({ client: newsroom, path, throwOnError: true })
  assert.equal(told.data.approved, true)
  const written = await api.readRequest({ client: newsroom, path, throwOnError: true })
  assert.ok(written.data)
  const invited = await api.invitePost({ client: newsroom, path, body: { external: 'nobody' } })
  assert.ok(invited.response.status >= 400)
  const cancelled = await api.cancelPost({ client: newsroom, path, body: {}, throwOnError: true })
  assert.equal(cancelled.data.state, 'cancelled')
  await api.reopenPost({ client: newsroom, path, body: {}, throwOnError: true })
  const history = await api.postHistory({ client: newsroom, path, throwOnError: true })
  const names = history.data.events.map((event) => event.event)
  assert.deepEqual(names.slice(0, 3), ['created', 'edited', 'commented'])
  assert.deepEqual((await api.listApprovals({ client: chief, throwOnError: true })).data.waiting, [])
  const late = [
    api.approvePost({ client: chief, path, body: {} }), api.rejectPost({ client: chief, path, body: { note: 'x' } }),
    api.retryPost({ client: newsroom, path, body: {} }),
    api.resolvePost({ client: newsroom, path, body: { account: 'acme-mastodon', published: false, note: 'x' } }),
  ]
  for (const { response } of await Promise.all(late)) assert.ok(response.status >= 400)
}

// Nobody has written guidelines here.
async function guidelines(): Promise<void> {
  await api.listGuidelines({ client: newsroom, throwOnError: true })
  const path = { brand: 'acme' }
  assert.equal((await api.readGuidelines({ client: newsroom, path })).response.status, 404)
  const body = { version: '1', digest: '0'.repeat(64) }
  assert.equal((await api.acknowledgeGuidelines({ client: chief, path, body })).response.status, 404)
}

// What must not compile: each line below is an error of types, and would be reported as unused if it were none.
export function neverCalled(post: PostView, problem: Problem): void {
  // @ts-expect-error a post has accounts
  void api.createPost({ body: { content: { text: 'x' } } })
  // @ts-expect-error a post has no such field
  void api.createPost({ body: { accounts: [], content: { text: 'x' }, colour: 'red' } })
  // @ts-expect-error a text is no number
  void api.createPost({ body: { accounts: [], content: { text: 7 } } })
  // @ts-expect-error what to prefer is a text
  void api.createPost({ headers: { Prefer: 7 }, body: { accounts: [], content: { text: 'x' } } })
  // @ts-expect-error a call without its path
  void api.readPost({ query: {} })
  // @ts-expect-error no state of that name
  void api.listPosts({ query: { state: 'gone' } })
  // @ts-expect-error a vote is for or against
  void api.votePost({ path: { id: post.id }, body: { decision: 'maybe' } })
  // @ts-expect-error a file is no text
  void api.uploadMedia({ body: 'text' })
  // @ts-expect-error no state of that name
  void (post.state === 'gone')
  // @ts-expect-error a null is told from a text
  post.targets[0]?.platform_id.toUpperCase()
  // @ts-expect-error no problem of that type
  void (problem.type === '/problems/nonsense')
  // @ts-expect-error nobody of that name is to blame
  void (problem.blame === 'nobody')
}

await whoAndWhere()
await publishReadAndDelete()
await vote()
await refusals()
await audit()
await devices()
await freezes()
await lives()
await guidelines()
