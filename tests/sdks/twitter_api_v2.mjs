// `twitter-api-v2` through a tunnel: its host is fixed, and its own keys count for nothing.
import { HttpsProxyAgent } from 'https-proxy-agent'
import { TwitterApi } from 'twitter-api-v2'
import { task, image, refusal, done } from './common.mjs'

const own = task.key
const keys = { appKey: own, appSecret: own, accessToken: own, accessSecret: own }
const { v2 } = new TwitterApi(keys, { httpAgent: new HttpsProxyAgent(process.env.HTTPS_PROXY) })
const told = { me: (await v2.me()).data.username }
const medium = await v2.uploadMedia(image, { media_type: 'image/png' })
told.media = 1
const post = (await v2.tweet('Hello from twitter-api-v2', { media: { media_ids: [medium] } })).data.id
const reply = (await v2.reply('And a reply of twitter-api-v2.', post)).data.id
told.refused = await refusal(() => v2.tweet('our miracle cure'), (error) => ({ status: error.code }))
told.deleted = 0
for (const one of [reply, post]) told.deleted += Number((await v2.deleteTweet(one)).data.deleted)
done(told)
