"""xdk, the official client of X, through the native door."""

import base64

from common import TASK, done, image, refusal
from xdk import Client

client = Client(base_url=TASK["service"], access_token=TASK["key"])
told = {}


def data(response):
    found = response.data
    return found if isinstance(found, dict) else found.model_dump()


def create(text, **more):
    return data(client.posts.create(body={"text": text, **more}))["id"]


told["me"] = data(client.users.get_me())["username"]
picture = image()
begun = {"media_type": "image/png", "media_category": "tweet_image", "total_bytes": len(picture)}
medium = data(client.media.initialize_upload(body=begun))["id"]
piece = {"media": base64.b64encode(picture).decode(), "segment_index": 0}
client.media.append_upload(medium, body=piece)
client.media.finalize_upload(medium)
client.media.create_metadata(body={"id": medium, "metadata": {"alt_text": {"text": "a red dot"}}})
told["media"] = 1
post = create("Hello from xdk", media={"media_ids": [medium]})
reply = create("And a reply of xdk.", reply={"in_reply_to_tweet_id": post})
told["refused"] = refusal(lambda: create("our miracle cure"), lambda error: {"status": error.response.status_code})
told["deleted"] = sum(bool(data(client.posts.delete(one))["deleted"]) for one in (reply, post))
done(told)
