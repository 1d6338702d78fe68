"""A whole server under clients that do anything in any order (driver.py): over SMTP with and without TLS, LMTP and behind a
proxy, with hostile DNS, receivers of HTTP/1.1 and HTTP/2 that fail as they like, and reloads. It does not crash; what was
answered 250 arrives, once where the receiver keeps its connections, under one webhook-id, or waits in the queue; what was
refused does not; and it stops well.

MXHOOK_DRIVER=SECONDS plays for so long instead of a few connections; MXHOOK_SEED repeats what a run was made of, as far as
threads allow.
"""

import collections
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import driver
import harness
import http2_receiver
from harness import wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../auth"))

import nameservers  # noqa: E402

CLIENTS, CONNECTIONS = 4, 12
SECONDS = float(os.environ.get("MXHOOK_DRIVER", 0))
SEED = int(os.environ.get("MXHOOK_SEED", random.randrange(1 << 32)))

RULES = """local to = { h1a = "%(h1)s/a", h1b = "%(h1)s/b", h2a = "%(h2)s/a", h2b = "%(h2)s/b" }
return function(msg)
  local name = msg.envelope.recipient:match("^(.-)@")
  if name == "defer" then return route.defer() elseif name == "reject" then return route.reject("no") end
  if name == "drop" then return route.discard() end
  msg.headers["X-Spf"] = msg.auth.spf and msg.auth.spf.result
  return to[name]
end"""
CONFIG = """listen = {
  { address = "127.0.0.1:0", tls = "starttls", auth = "offered" },
  { address = "127.0.0.1:0", tls = "implicit", auth = "offered" },
  { address = "127.0.0.1:0", protocol = "lmtp" },
  { address = "127.0.0.1:0", proxy = true, tls = "starttls" },
}
tls = { certificates = { { certificate = "%(certificate)s", key = "%(key)s" } } }
smtp = { max_size = "1 MiB", users = { printer = "%(password)s" } }
access = { proxies = { "127.0.0.1" } }
dns = { resolvers = { "127.0.0.1:%(dns)d" } }
auth = { timeout = "300ms" }
deliver = { ca_file = "%(certificate)s", attempts = 100, schedule = { "50ms" }, breaker_failures = 100000, timeout = "%(wait)ds" }
"""


class Driver(harness.TestCase):
    def setUp(self):
        self.random, self.over = random.Random(SEED), False
        self.folder = tempfile.mkdtemp(prefix="mxhook-driver-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        certificate, key = harness.loopback_certificate(self.folder)
        password = subprocess.run(["openssl", "passwd", "-6", "-salt", "mxhook", "secret"], check=True, capture_output=True,
                                  text=True).stdout.strip()
        self.delivered = collections.defaultdict(list)  # (message, recipient): webhook-ids of what was answered 200
        self.ids = collections.defaultdict(set)         # the same: of all attempts
        self.dns = nameservers.FaultyServer(self.answer_dns)
        self.addCleanup(self.dns.close)
        h1 = self.receiver(self.answer_http)
        h2 = http2_receiver.Http2Receiver(certificate, key, self.answer_http2)
        self.addCleanup(h2.close)
        self.mx = self.server({"10.lua": RULES % {"h1": h1.url, "h2": h2.url}},
                              CONFIG % {"certificate": certificate, "key": key, "password": password, "dns": self.dns.port,
                                        "wait": harness.PATIENCE})
        ports = [int(port) for port in re.findall(r" listening .*?address=\S*?:(\d+)", self.mx.log())]
        self.ports = dict(zip(("smtp", "tls", "lmtp", "proxy"), ports))
        self.ledger = driver.Ledger()

    # ---- The world around it; called by several threads ----

    def answer_dns(self, name, kind):
        chance = random.random()
        if "slow" in name or chance < 0.05:
            return None
        if "junk" in name or chance < 0.1:
            return random.choice([b"", b"\x81\x80" + random.randbytes(random.randrange(600)), 2, 5])
        if "big" in name:
            return [(kind, random.randbytes(random.randrange(200))) for _ in range(random.randrange(5))]
        return [(16, nameservers.txt_data("v=spf1 include:x%d.junk.test ?all" % random.randrange(9)))] if kind == 16 else 3

    def note(self, identity, body, good):
        payload = harness.Post("", {}, body).json
        recipient = payload["headers"]["Delivered-To"]
        key = payload["message-id"], recipient[0] if isinstance(recipient, list) else recipient
        self.ids[key].add(identity)
        if good:
            self.delivered[key].append(identity)

    def answer_http(self, post):
        # A destination is asked less often after each 429 or 503, and only slowly more often again: so few of them.
        busy = random.random() < 0.01
        status = 200 if self.over else random.choice([429, 503] if busy else [200, 200, 200, 204, 301, 400, 404, 500])
        self.note(post.id, post.body, status < 300)
        return (status, {"retry-after": "0"}) if status in (429, 503) else status

    def answer_http2(self, request):
        action = 200 if self.over else random.choice([200] * 8 + [500, ("reset", 7), ("reset", 2), ("goaway", None, 200),
                                                      ("goaway", 0, None), ("close",)])
        self.note(request.id, request.body, action == 200 or action == ("goaway", None, 200))
        return action

    # ---- The play ----

    def play(self, number):
        chance, end = random.Random("%d/%d" % (SEED, number)), time.monotonic() + SECONDS
        connection = 0
        while time.monotonic() < end if SECONDS else connection < CONNECTIONS:
            try:
                driver.Client(chance, self.ports, self.ledger, "%d-%d-%d" % (SEED, number, connection)).run()
            except Exception as failure:  # a reply that is none, or none within PATIENCE
                self.failures.append(repr(failure))
            connection += 1
        self.connections += connection

    def test_anything_in_any_order(self):
        print("MXHOOK_SEED=%d" % SEED)
        self.connections, self.failures = 0, []
        threading.excepthook = lambda failure: None  # the HTTP/2 receiver's, of what arrives after its GOAWAY
        self.addCleanup(setattr, threading, "excepthook", threading.__excepthook__)
        threads = [threading.Thread(target=self.play, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.mx.reload()
            self.mx.command("queue", "list")
            threads[0].join(0.2)
        self.assertEqual(self.failures, [])
        self.over = True
        with contextlib.suppress(harness.TimedOut):
            wait_until(lambda: not self.queue(), "an empty queue", 2 * harness.PATIENCE)
        self.assertEqual(self.mx.stop(), 0)
        self.check(self.queue())

    def queue(self):
        """The ids of what waits."""
        return {line.split()[0] for line in self.mx.command("queue", "list").stdout.splitlines()}

    def check(self, queue):
        log = self.mx.log()
        self.assertNotRegex(log, "Sanitizer|runtime error:")
        expected = {key for key in self.ledger.promised if key[1].startswith("h")}
        print("%d connections, %d deliveries promised, %d refused, %d requests answered 2xx, %d wait" % (
            self.connections, len(expected), len(self.ledger.refused), sum(map(len, self.delivered.values())), len(queue)))
        late = {key for key in expected if not self.delivered[key]}
        self.assertEqual({key for key in late if not self.ids[key] <= queue}, set())
        self.assertLessEqual(sum(not self.ids[key] for key in late), len(queue - set().union(*self.ids.values())))
        # A connection of HTTP/2 that the receiver ends takes answers with it that others were given: then they are asked again.
        self.assertEqual({key: ids for key, ids in self.delivered.items() if key[1].startswith("h1") and len(ids) > 1}, {})
        self.assertEqual({key for key, ids in self.ids.items() if len(ids) > 1}, set())
        self.assertEqual({key for key in self.ledger.refused if self.ids.get(key)}, set())
        self.assertGreater(len(expected), 0)


if __name__ == "__main__":
    unittest.main()
