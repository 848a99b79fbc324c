"""PyPI `atproto` through the gateway."""

from common import TASK, done, image, refusal, until
from atproto import Client, models

told = {}


def client_with(key):
    client = Client(base_url=TASK["service"])
    client.login(TASK["handle"], key)
    return client


client = client_with(TASK["key"])
told["did"] = client.me.did
told["handle"] = client.me.handle
post = client.send_image("Hello from Python", image(), "a red dot", langs=["en"])
parent = models.create_strong_ref(post)
reply = client.send_post("And a reply.", reply_to=models.AppBskyFeedPost.ReplyRef(parent=parent, root=parent))


def timeline():
    uris = [entry.post.uri for entry in client.get_timeline(limit=30).feed]
    return len(uris) if post.uri in uris and reply.uri in uris else None


told["timeline"] = until("both in the timeline", timeline)
thread = client.get_post_thread(post.uri).thread
told["replies"] = len(thread.replies)
told["images"] = len(thread.post.embed.images)


def notifications():
    return [one.reason for one in client.app.bsky.notification.list_notifications().notifications]


told["notifications"] = until("a mention", notifications)
resumed = Client(base_url=TASK["service"])
resumed.login(session_string=client.export_session_string())
told["resumed"] = resumed.me.did
told["renewed"] = client.com.atproto.server.refresh_session(
    headers={"Authorization": f"Bearer {client._session.refresh_jwt}"}
).did


def facts(error):
    response = getattr(error, "response", None)
    content = getattr(response, "content", None)
    return {
        "status": getattr(response, "status_code", None),
        "error": getattr(content, "error", None),
        "message": getattr(content, "message", None),
    }


reader = TASK["reader"] and client_with(TASK["reader"])
told["refused"] = {
    "grant": reader and refusal(lambda: reader.send_post("nobody let me"), facts),
    "policy": refusal(lambda: client.send_post("our miracle cure"), facts),
    "held": refusal(lambda: client.send_post("cheap crisps"), facts),
    "mint": refusal(lambda: client.com.atproto.server.create_app_password({"name": "mine"}), facts),
    "service": refusal(lambda: client.com.atproto.server.get_service_auth({"aud": "did:web:evil.example"}), facts),
    "like": refusal(lambda: client.like(post.uri, post.cid), facts),
    # In a tunnel nobody looks at it: the key is that of the tunnel.
    "password": reader and refusal(lambda: client_with("hunter2"), facts),
}
told["deleted"] = [post.uri, reply.uri] if client.delete_post(reply.uri) and client.delete_post(post.uri) else []
done(told)
