"""Power loss: whatever a disk could hold when the power fails, the spool opens, and all that was acknowledged is there.

One run is recorded: every write, sync and change of a folder (record.c), and every "queued as" and webhook-id at the
moment before it is sent. From that, folders are built as they could be found after a power failure at a moment:

  synced   only what was synced; names only where their folder was synced
  all      all that was written, as after kill -9
  torn     of what was written since the last sync any part: writes left out, cut at a sector, names there or not

Each is given to the real server. What had been acknowledged by that moment, and not yet sent, must arrive whole.
MXHOOK_ROUNDS (default 40) moments, or MXHOOK_ALL=1: each sync, and the moments before and after it.
"""

import hashlib
import os
import random
import shutil
import threading
import time
import unittest

import harness

ROUNDS = int(os.environ.get("MXHOOK_ROUNDS", 40))
SEED = int(os.environ.get("MXHOOK_SEED", random.randrange(1 << 30)))
RECORD = os.environ.get("MXHOOK_RECORD_LIBRARY", "")
SECTOR = 512
SMALL = "a few words"
LARGE = "\r\n".join("l" * 72 for _ in range(5000))


def read_record(path):
    """[(kind, ...)], as record.c writes it."""
    calls = []
    with open(path, "rb") as file:
        for line in file:
            kind, *rest = line.decode().rstrip("\n").split(" ")
            if kind == "W":
                inode, offset, size = map(int, rest)
                calls.append((kind, inode, offset, file.read(size)))
            elif kind in "TSC":
                calls.append((kind, int(rest[0]), *[int(r) if kind == "T" else r for r in rest[1:]]))
            else:
                calls.append((kind, rest[0]))
    return calls


class File:
    """Bytes that are on the disk for sure, and the calls since the last sync."""

    def __init__(self):
        self.synced, self.pending = bytearray(), []

    @staticmethod
    def apply(content, call):
        if call[0] == "T":
            size = call[2]
            content[size:] = bytes(max(0, size - len(content)))
        else:
            offset, data = call[2], call[3]
            content.extend(bytes(max(0, offset - len(content))))
            content[offset:offset + len(data)] = data

    def sync(self):
        for call in self.pending:
            self.apply(self.synced, call)
        self.pending = []

    def content(self, how, rng):
        content = bytearray(self.synced)
        for call in self.pending if how != "synced" else []:
            if how == "torn" and rng.random() < 0.5:
                continue
            if how == "torn" and call[0] == "W" and rng.random() < 0.3:
                sectors = (len(call[3]) + SECTOR - 1) // SECTOR
                call = (*call[:3], call[3][:rng.randrange(sectors + 1) * SECTOR])
            self.apply(content, call)
        return content


class Disk:
    """Plays the record up to a moment."""

    def __init__(self):
        self.inodes, self.names, self.pending = {}, {}, []  # names that are safe, and changes that are not
        self.acknowledged, self.sent = [], set()

    def play(self, call):
        kind = call[0]
        if kind == "C":
            self.inodes[call[1]] = File()
            self.pending.append((call[2], self.inodes[call[1]]))
        elif kind == "M":
            self.pending.append((call[1], "folder"))
        elif kind == "U":
            self.pending.append((call[1], None))
        elif kind in "WT":
            self.inodes[call[1]].pending.append(call)
        elif kind == "S":
            self.inodes[call[1]].sync()
        elif kind == "D":
            folder = "" if call[1] == ".." else call[1]
            safe = [change for change in self.pending if os.path.dirname(change[0]) == folder]
            for path, what in safe:
                self.names[path] = what
            self.pending = [change for change in self.pending if change not in safe]
        elif kind == "A":
            self.acknowledged.append(call[1])
        elif kind == "P":
            self.sent.add(call[1])

    def write(self, folder, how, rng):
        names = dict(self.names)
        for path, what in self.pending if how != "synced" else []:
            if how == "all" or rng.random() < 0.5:
                names[path] = what
        os.mkdir(folder)
        for path, what in sorted(names.items(), key=lambda item: item[0].count("/")):
            parent = os.path.dirname(folder + path)
            if what == "folder":
                os.makedirs(folder + path, exist_ok=True)
            elif what is not None and os.path.isdir(parent):
                with open(folder + path, "wb") as file:
                    file.write(what.content(how, rng))


class PowerLoss(harness.TestCase):
    def setUp(self):
        if not RECORD:
            self.skipTest("a sanitizer's own preload comes first")
        self.random = random.Random(SEED)
        self.refusing = True
        self.sink = self.receiver(lambda post: 503 if self.refusing and post.path == "/stay" else 200)
        rules = """return function(msg)
            local kind = msg.envelope.recipient:match("^%%a+")
            if kind == "both" then return "%(url)s/stay, %(url)s/go" end
            return "%(url)s/" .. kind
        end""" % {"url": self.sink.url}
        self.mx = self.server({"10-all.lua": rules}, """
            spool = { directory = "root/spool" }
            deliver = { schedule = { "60ms", "300ms" }, attempts = 1000, breaker_failures = 10000 }""", start=False)
        self.root = os.path.join(self.mx.folder, "root")
        self.sent = {}  # transaction -> (paths of its deliveries, digest of the text)

    # ---- The recorded run ----

    def send(self, client, recipients, text):
        client.mail("a@client.test")
        for recipient in recipients:
            client.rcpt(recipient + "@example.com")
        code, reply = client.data(harness.mail(text=text))
        assert code == 250, reply
        paths = [path for recipient in recipients
                 for path in (("/stay", "/go") if recipient == "both" else ("/" + recipient,))]
        digest = hashlib.sha256(text.replace("\r\n", "\n").strip().encode()).hexdigest()
        self.sent[reply.decode().rsplit(" ", 1)[1]] = (paths, digest)

    def load(self, seed):
        rng = random.Random(seed)
        with self.mx.smtp() as client:
            client.ehlo()
            for number in range(12):
                text = "%d.%d %s" % (seed, number, rng.choice((SMALL, SMALL, SMALL * 700, LARGE)))
                self.send(client, rng.choice((["stay"], ["go"], ["both"], ["stay", "go"])), text)
                time.sleep(rng.random() / 50)

    def record(self):
        os.mkdir(self.root)
        path = os.path.join(self.mx.folder, "record")
        os.environ.update(LD_PRELOAD=RECORD, MXHOOK_RECORD=path, MXHOOK_RECORD_UNDER=self.root)
        try:
            self.mx.start()
        finally:
            for name in ("LD_PRELOAD", "MXHOOK_RECORD", "MXHOOK_RECORD_UNDER"):
                del os.environ[name]
        threads = [threading.Thread(target=self.load, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(0.3)
        self.assertEqual(self.mx.stop(), 0, self.mx.log())
        return read_record(path)

    # ---- After the power failure ----

    def required(self, disk):
        """(path, digest of the text) of what must arrive, as often as it must."""
        must = []
        for transaction in disk.acknowledged:
            paths, digest = self.sent[transaction]
            # Deliveries are numbered from the transaction's; one that was sent may have arrived and be gone.
            may_be_gone = any(id.startswith(transaction + "-") for id in disk.sent)
            must += [(path, digest) for path in paths if path == "/stay" or not may_be_gone]
        return must

    def check(self, calls, moment, how):
        disk = Disk()
        for call in calls[:moment]:
            disk.play(call)
        shutil.rmtree(self.root, ignore_errors=True)
        disk.write(self.root, how, self.random)
        must = self.required(disk)
        self.sink.posts.clear()
        what = "moment %d of %d, %s: " % (moment, len(calls), how)
        try:
            self.mx.start()
        except AssertionError:
            self.fail(what + "it does not start:\n" + self.mx.log())

        def arrived():
            got = set()
            for post in list(self.sink.posts):
                if len(post.body) == int(post.headers["content-length"]):
                    got.add((post.path, hashlib.sha256(post.json["text"].strip().encode()).hexdigest()))
            return got

        def is_there():
            return set(must) <= arrived() and not self.mx.command("queue", "list").stdout
        try:
            harness.wait_until(is_there, "all that was acknowledged", 20)
        except harness.TimedOut:
            self.fail(what + "missing: %s\n%s" % (set(must) - arrived(), self.mx.log()[-3000:]))
        self.assertEqual(self.mx.logged("spool-unreadable"), [], what)
        self.assertEqual(self.mx.stop(), 0)
        return len(must)

    def test_what_was_acknowledged_survives(self):
        calls = self.record()
        self.refusing = False
        syncs = [i for i, call in enumerate(calls) if call[0] in "SD"]
        print("seed %d: %d calls recorded, %d of them syncs, %d messages acknowledged" % (
            SEED, len(calls), len(syncs), len(self.sent)), flush=True)
        if os.environ.get("MXHOOK_ALL"):
            moments = sorted({m for sync in syncs for m in (sync, sync + 1, sync + 2)})
            tries = [(moment, how) for moment in moments for how in ("synced", "all", "torn")]
        else:
            tries = [(self.random.choice(syncs) + self.random.randrange(3), how) for how in
                     self.random.choices(("synced", "torn", "torn", "all"), k=ROUNDS)]
        required = 0
        for number, (moment, how) in enumerate(tries):
            required += self.check(calls, min(moment, len(calls)), how)
            if (number + 1) % 200 == 0:
                print("  %d of %d" % (number + 1, len(tries)), flush=True)
        print("%d power failures: the spool opened each time; %d deliveries had to be there, 0 lost" % (
            len(tries), required), flush=True)


if __name__ == "__main__":
    unittest.main()
