"""What the Standard Webhooks library for Python says of deliveries. Reads one JSON document from standard input, writes one.

Each delivery has the receiver's `secret`, the `headers` as they came and the `body` in base64. The answer to each is null where
the library took it, else the library's own words.
"""

import base64
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def judge(delivery):
    body = base64.b64decode(delivery["body"], validate=True)
    try:
        read = Webhook(delivery["secret"]).verify(body, delivery["headers"])
    except WebhookVerificationError as error:
        return str(error)
    assert read == json.loads(body)
    return None


json.dump([judge(delivery) for delivery in json.load(sys.stdin)], sys.stdout)
