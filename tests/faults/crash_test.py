"""kill -9, over and over: nothing that was acknowledged is lost, and what arrives twice says so.

Each round starts the server on the spool that the last one left, loads it, and kills it: at a random moment, or
inside a write, sync or removal of a file (inject.c). MXHOOK_ROUNDS (default 20) and MXHOOK_SEED choose the rounds.
The receiver lives through all of them.
"""

import collections
import hashlib
import os
import random
import signal
import smtplib
import threading
import time
import unittest

import faults
import harness
import mailserver

ROUNDS = int(os.environ.get("MXHOOK_ROUNDS", 20))
SEED = int(os.environ.get("MXHOOK_SEED", random.randrange(1 << 30)))
SENDERS = 3

RULES = """
return function(msg)
    local to = msg.envelope.recipient
    if to:find("^both") then return "%(url)s/one, %(url)s/two" end
    if to:find("^slow") then return "%(url)s/slow" end
    if to:find("^mail") then return "boss@example.net" end
    return "%(url)s/one"
end
"""
RECIPIENTS = {"one@example.com": ("/one",), "both@example.com": ("/one", "/two"), "slow@example.com": ("/slow",),
              "mail@example.com": ("by mail",)}


class Arrivals:
    """What the receiver got, with the bodies' digests in place of the bodies."""

    def __init__(self):
        self.lock = threading.Lock()
        self.by_delivery = collections.defaultdict(list)  # (message-id, recipient, path) -> webhook-ids
        self.digests = {}  # webhook-id -> of the body
        self.different, self.broken = [], []
        self.count = self.refused = self.broken_off = 0

    def take(self, post):
        if len(post.body) < int(post.headers["content-length"]):
            self.broken_off += 1  # it was killed in the middle of a request
            return 200
        try:
            payload = post.json
            key = (payload["message-id"], payload["headers"]["Delivered-To"], post.path)
            text = hashlib.sha256(payload["text"].strip().encode()).hexdigest()
        except (ValueError, KeyError) as error:
            self.broken.append((post.id, str(error)))
            return 200
        if post.path == "/slow":
            time.sleep(random.random() / 20)
        digest = hashlib.sha256(post.body).digest()
        with self.lock:
            self.count += 1
            if self.digests.setdefault(post.id, digest) != digest:
                self.different.append(post.id)
            if random.random() < 0.2:
                self.refused += 1
                return 503  # another attempt, perhaps by the next process
            self.by_delivery[key].append((post.id, text))
        return 200


class Mails:
    """The same for what is forwarded by SMTP, in the place of MailServer.messages."""

    def __init__(self, arrivals):
        self.arrivals, self.count = arrivals, 0

    def append(self, message):
        key = (message.fields("Message-ID")[0].strip("<>"), message.fields("Delivered-To")[0], "by mail")
        id = message.fields("Received")[0].split(" id ")[1].split()[0]
        text = message.data.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n").strip()
        with self.arrivals.lock:
            self.count += 1
            self.arrivals.by_delivery[key].append((id, hashlib.sha256(text).hexdigest()))

    def __len__(self):
        return self.count


def answer_mail(command, argument, session):
    session.server.commands.clear()
    session.server.truncated.clear()
    return "451 4.3.0 later" if command == "END" and random.random() < 0.2 else None


class Crash(harness.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.arrivals = Arrivals()
        self.sink = self.receiver(self.answer)
        self.mails = mailserver.MailServer(answer_mail)
        self.mails.messages = Mails(self.arrivals)
        self.addCleanup(self.mails.close)
        self.mx = self.server({"10-all.lua": RULES % {"url": self.sink.url}}, """
            shutdown_timeout = "5s"
            forward = { smarthost = "smtp://127.0.0.1:%d", srs = false, schedule = { "20ms" }, attempts = 1000 }
            deliver = { schedule = { "20ms", "100ms" }, unreachable_schedule = { "20ms", "100ms" }, attempts = 1000,
                        breaker_failures = 100000 }
            """ % self.mails.port, start=False)
        self.acknowledged = {}  # message-id -> (recipients, digest of the text)
        self.kills = collections.Counter()

    def answer(self, post):
        self.sink.posts.clear()  # a thousand rounds would not fit
        return self.arrivals.take(post)

    # ---- Load ----

    def make(self, number, rng):
        size = rng.choice((10, 200, 3000, 3000, 9000, 400000))
        text = "%d %s" % (number, "x" * (size // 2)) if size < 1000 else \
            "\r\n".join("%d %s" % (number, "y" * 70) for _ in range(size // 72))
        recipients = rng.sample(sorted(RECIPIENTS), rng.choice((1, 1, 2, 4)))
        return text, recipients

    def load(self, prefix, stop):
        rng = random.Random("%d %s" % (SEED, prefix))
        number = 0
        while not stop.is_set():
            try:
                with self.mx.smtp() as client:
                    while not stop.is_set():
                        number += 1
                        message_id = "%s-%d@client.test" % (prefix, number)
                        text, recipients = self.make(number, rng)
                        client.sendmail("a@client.test", recipients,
                                        harness.mail(message_id=message_id, text=text))
                        digest = hashlib.sha256(text.replace("\r\n", "\n").strip().encode()).hexdigest()
                        self.acknowledged[message_id] = (recipients, digest)
            except (smtplib.SMTPException, OSError):
                stop.wait(0.01)  # killed: the message was not acknowledged

    def reload(self, stop):
        while not stop.wait(0.03):
            self.mx.process.send_signal(signal.SIGHUP)

    # ---- Rounds ----

    def start(self):
        """False: it was killed before it had started."""
        try:
            self.mx.start()
            return True
        except AssertionError:
            self.assertEqual(self.mx.process.wait(), -signal.SIGKILL, self.mx.log())
            return False

    def kill_inside(self):
        """The environment in which the process ends at a call that changes a file."""
        action = self.random.choice(("kill", "after", "torn"))
        self.kills["%s a write, sync or removal" % {"kill": "before", "after": "after", "torn": "half-way through"}[action]] += 1
        return faults.injecting("disk", 0, int(self.random.expovariate(1 / 60)) + 1, action)

    def round(self, number):
        how = self.random.choice(("inside", "inside", "moment", "start") if faults.INJECT else ("moment", "start"))
        with faults.environment(self.kill_inside() if how == "inside" else {}):
            if how == "start":
                self.kills["while it starts"] += 1
                timer = threading.Timer(self.random.random() / 12, lambda: self.mx.process.kill())
                timer.start()
            started = self.start()
        stop = threading.Event()
        threads = [threading.Thread(target=self.load, args=("%d-%d" % (number, n), stop)) for n in range(SENDERS)]
        threads.append(threading.Thread(target=self.reload, args=(stop,)))
        for thread in threads if started else []:
            thread.start()
        if how == "moment":
            self.kills["at a random moment"] += 1
            time.sleep(self.random.random() / 2)
            self.mx.process.kill()
        try:
            self.mx.process.wait(2)
        except Exception:  # it did not come to so many calls
            self.mx.process.kill()
            self.mx.process.wait()
        stop.set()
        for thread in threads if started else []:
            thread.join()
        self.unreadable += len(self.mx.logged("spool-unreadable"))

    def test_nothing_acknowledged_is_lost(self):
        print("seed %d, %d rounds" % (SEED, ROUNDS), flush=True)
        self.unreadable = 0
        for number in range(ROUNDS):
            self.round(number)
            if (number + 1) % 100 == 0:
                print("  round %d: %d acknowledged, %d arrived" % (
                    number + 1, len(self.acknowledged), self.arrivals.count), flush=True)
        self.mx.start()
        harness.wait_until(lambda: not self.mx.command("queue", "list").stdout, "an empty queue", 300)
        self.check()

    def check(self):
        arrived = self.arrivals.by_delivery
        expected = {(message_id, recipient, path): digest
                    for message_id, (recipients, digest) in self.acknowledged.items()
                    for recipient in recipients for path in RECIPIENTS[recipient]}
        lost = [key for key in expected if key not in arrived]
        changed = [key for key, digest in expected.items() for _, got in arrived.get(key, []) if got != digest]
        repeats = sum(len(posts) - 1 for posts in arrived.values())
        anonymous = [key for key, posts in arrived.items() if len({id for id, _ in posts}) > 1]
        for how, count in sorted(self.kills.items()):
            print("  killed %s: %d" % (how, count))
        print("%d rounds: %d messages acknowledged, %d deliveries expected, %d lost, %d changed; %d requests, %d answered "
              "503, %d broken off, %d mails forwarded, %d repeats, each with its webhook-id but %d" % (
                  ROUNDS, len(self.acknowledged), len(expected), len(lost), len(changed), self.arrivals.count,
                  self.arrivals.refused, self.arrivals.broken_off, len(self.mails.messages), repeats, len(anonymous)), flush=True)
        self.assertGreater(len(self.acknowledged), ROUNDS)
        self.assertEqual(lost, [])
        self.assertEqual(changed, [])
        self.assertEqual(anonymous, [])
        self.assertEqual(self.arrivals.different, [])
        self.assertEqual(self.arrivals.broken, [])
        self.assertEqual(self.unreadable, 0)
        # A file whose row went just before a kill stays while its message has a delivery left, and until the next
        # start: so that one must leave nothing.
        self.assertEqual(self.mx.stop(), 0)
        self.mx.start()
        self.assertEqual(os.listdir(os.path.join(self.mx.folder, "spool", "bodies")), [])


if __name__ == "__main__":
    unittest.main()
