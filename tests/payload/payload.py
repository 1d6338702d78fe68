"""payload.py - runs `mxhook payload`, and holds what it prints against all that is promised of it."""

import json
import os
import re
import resource
import subprocess

import jsonschema

MXHOOK = os.environ["MXHOOK"]
HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "../../server/mail/payload.schema.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)

COMMAND = [MXHOOK, "payload", "--sender", "sender@example.net", "--recipient",
           "recipient@example.com", "--hostname", "mx.example.com", "-"]


def unique(pairs):
    """An object's keys stand once each: a parser that keeps the last of two would not see it."""
    object = dict(pairs)
    assert len(object) == len(pairs), "a key stands twice: %r" % [key for key, _ in pairs]
    return object


def check(text):
    """The payload, parsed: valid UTF-8, JSON, by the schema, the keys in their order."""
    payload = json.loads(text.decode("utf-8", "strict"), object_pairs_hook=unique)
    VALIDATOR.validate(payload)
    assert list(payload) == SCHEMA["required"], list(payload)
    for part in payload["inlines"] + payload["attachments"]:
        assert re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
                            part["content"]), "not base64"
    return payload


def render(mail):
    """The payload of a message: bytes, or a file that is open for reading."""
    source = {"input": mail} if isinstance(mail, bytes) else {"stdin": mail}
    done = subprocess.run(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                          check=False, **source)
    assert done.returncode == 0 and not done.stderr, (done.returncode, done.stderr)
    return check(done.stdout)


def peak_memory():
    """Of the largest child so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
