"""Mastodon.py through the gateway."""

from common import TASK, done, refusal, until
from mastodon import Mastodon

told = {}


def client_with(key):
    client = Mastodon(client_id="any", client_secret="any", api_base_url=TASK["service"])
    client.log_in(TASK["handle"], key, scopes=["read", "write"])
    return client


client = client_with(TASK["key"])
told["me"] = client.me().acct
medium = client.media_post(TASK["image"], mime_type="image/png", description="a red dot", synchronous=True)
status = client.status_post("Hello from Python", media_ids=[medium], visibility="unlisted", language="en")
reply = client.status_post("And a reply.", in_reply_to_id=status.id)
told["images"] = len(status.media_attachments)
told["reply"] = str(reply.in_reply_to_id) == str(status.id)


def timeline():
    ids = [one.id for one in client.timeline_home(limit=30)]
    return len(ids) if status.id in ids and reply.id in ids else None


told["timeline"] = until("both in the timeline", timeline)


def answer():
    """Somebody answers whatever is posted here."""
    for one in client.notifications(types=["mention"]):
        if str(one.status.in_reply_to_id) == str(status.id):
            return [one.type, one.account.acct, one.status.content]
    return None


told["notifications"] = until("an answer", answer)


def facts(error):
    arguments = [argument for argument in error.args if isinstance(argument, (str, int))]
    numbers = [argument for argument in arguments if isinstance(argument, int)]
    return {"status": numbers[0] if numbers else None, "message": " | ".join(map(str, arguments))}


reader = TASK["reader"] and client_with(TASK["reader"])
told["refused"] = {
    "grant": reader and refusal(lambda: reader.status_post("nobody let me"), facts),
    "policy": refusal(lambda: client.status_post("our miracle cure"), facts),
    "held": refusal(lambda: client.status_post("cheap crisps"), facts),
    "mint": refusal(lambda: client._Mastodon__api_request("POST", "/api/v1/apps", {"client_name": "mine"}), facts),
    # In a tunnel nobody looks at it: the key is that of the tunnel.
    "password": reader and refusal(lambda: client_with("hunter2"), facts),
}
client.status_delete(reply)
client.status_delete(status)
told["deleted"] = [str(status.id), str(reply.id)]
client.revoke_access_token()
done(told)
