"""tweepy through a tunnel: its host is fixed, and its own keys count for nothing."""

import tweepy
from common import TASK, done, image, refusal

own = TASK["key"]
client = tweepy.Client(
    bearer_token=own, consumer_key=own, consumer_secret=own, access_token=own, access_token_secret=own
)
told = {"me": client.get_me().data.username}
# It has no method of its own for uploads of version 2 of the API.
uploaded = client.session.post(
    "https://api.twitter.com/2/media/upload",
    files={"media": ("dot.png", image(), "image/png")},
    data={"media_category": "tweet_image"},
)
uploaded.raise_for_status()
medium = uploaded.json()["data"]["id"]
told["media"] = 1
post = client.create_tweet(text="Hello from tweepy", media_ids=[medium]).data["id"]
reply = client.create_tweet(text="And a reply of tweepy.", in_reply_to_tweet_id=post).data["id"]
told["refused"] = refusal(
    lambda: client.create_tweet(text="our miracle cure"), lambda error: {"status": error.response.status_code}
)
told["deleted"] = sum(bool(client.delete_tweet(one).data["deleted"]) for one in (reply, post))
done(told)
