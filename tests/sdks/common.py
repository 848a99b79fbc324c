"""What both Python clients share: their task, a resolver, and how a refusal is told."""

import json
import socket
import sys
import time

# {"service", "handle", "key", "reader", "image", "host"}: `reader` is none in a tunnel, which has one key; `host` is a name that no DNS knows and that stands for this machine.
TASK = json.loads(sys.argv[1])
_look_up = socket.getaddrinfo


def _here(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    return _look_up("127.0.0.1" if name == TASK.get("host") else host, *args, **kwargs)


socket.getaddrinfo = _here


def image():
    with open(TASK["image"], "rb") as file:
        return file.read()


def until(what, look):
    """What `look` gives, once it gives something."""
    for _ in range(150):
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"not within 15 s: {what}")


def refusal(call, facts):
    """Name and facts of the error that `call` ends in; a call that succeeds is told as none."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - any of the SDK's own types
        kind = type(error)
        return {"type": kind.__name__, "module": kind.__module__, **facts(error)}
    return None


def done(told):
    print(json.dumps(told))
