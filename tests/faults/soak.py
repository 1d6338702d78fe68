#!/usr/bin/python3
"""A long mixed load; prints memory, descriptors and queue over time, and whether all arrived.

Usage: MXHOOK=build/sanitized/mxhook tests/faults/soak.py [MINUTES]        (default 30)

Mail of all sizes and broken mail, slow senders and senders that break off, two recipients and two destinations,
webhooks that fail, are slow, refuse for good or are dead, and a reload each second, every tenth of which is of a
rule that cannot be loaded. For a build with sanitizers; what they find ends the server, and so the soak.
Exit code 0: all arrived, and memory and descriptors stayed flat.
"""

import glob
import os
import random
import re
import smtplib
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
# Freed memory is kept by ASan to catch its use: so much of it, or memory would seem to grow for hours.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=8:thread_local_quarantine_size_kb=64")
os.environ.setdefault("TSAN_OPTIONS", "suppressions=%s/../tsan.supp" % HERE)
os.environ.setdefault("G_SLICE", "always-malloc")
import harness  # noqa: E402

MINUTES = float(sys.argv[1]) if len(sys.argv) > 1 else 30
SAMPLES = 60
RULES = """
return function(msg)
    local kind = msg.envelope.recipient:match("^(%%a+)")
    if kind == "dead" then return "http://127.0.0.1:%(dead)d/" end
    if kind == "both" then return "%(url)s/both, %(url)s/flaky" end
    if kind == "none" then return "null" end
    if kind == "loop" then while true do end end
    return "%(url)s/" .. kind
end
"""
KINDS = ("good", "good", "good", "flaky", "slow", "both", "gone", "dead", "none", "loop")
ARRIVE = {"good": ("/good",), "flaky": ("/flaky",), "slow": ("/slow",), "both": ("/both", "/flaky")}


class Soak:
    def __init__(self):
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.arrived, self.posts, self.failures = set(), 0, []
        self.expected, self.accepted, self.refused, self.broken_off = set(), 0, 0, 0
        self.number = 0
        self.mails = [open(path, "rb").read() for path in
                      sorted(glob.glob(os.path.join(HERE, "../payload/mails/*.eml"))) if os.path.getsize(path)]
        self.sink = harness.Receiver(self.answer)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            dead = unused.getsockname()[1]
        self.mx = harness.Server({"10-all.lua": RULES % {"url": self.sink.url, "dead": dead}}, """
            spool = { directory = "spool", keep_failed = "30s", max_age = "1m" }
            deliver = { schedule = { "100ms", "1s", "2s" }, attempts = 8, breaker_pause = "200ms",
                        breaker_pause_max = "1s", breaker_failures = 5, timeout = "30s" }
            rules = { time_limit = "20ms" }
            smtp = { data_timeout = "20s" }""")

    def answer(self, post):
        self.sink.posts.clear()
        kind = post.path.strip("/")
        if kind == "slow":
            time.sleep(random.random())
        with self.lock:
            self.posts += 1
        if kind == "gone":
            return 410
        if kind == "flaky" and random.random() < 0.3:
            return random.choice((500, 503, 429))
        match = re.search(rb'"Delivered-To": ?\[?"([^"]*)"', post.body)
        with self.lock:
            self.arrived.add((match.group(1).decode() if match else "?", post.path))
        return 200

    # ---- Senders ----

    def message(self, rng):
        what = rng.random()
        if what < 0.4:
            return harness.mail(text="x" * rng.choice((1, 1000, 8000)))
        if what < 0.5:
            return harness.mail(text=("y" * 70 + "\r\n") * rng.choice((4000, 8000, 40000)))
        mail = bytearray(rng.choice(self.mails))
        if what > 0.7:
            for _ in range(rng.randrange(1, 20)):
                mail[rng.randrange(len(mail))] = rng.randrange(256)
        # Bare CR and LF are refused, as they must be: not what is tried here.
        return b"\r\n".join(bytes(mail).replace(b"\r\n", b"\n").replace(b"\r", b"").split(b"\n"))

    def recipients(self, rng):
        with self.lock:
            self.number += 1
            number = self.number
        kinds = rng.sample(KINDS[:-2], rng.choice((1, 1, 2))) if rng.random() < 0.95 else [rng.choice(KINDS)]
        return ["%s-%d@example.com" % (kind, number) for kind in dict.fromkeys(kinds)]

    def note(self, recipients):
        with self.lock:
            self.accepted += 1
            for recipient in recipients:
                for path in ARRIVE.get(recipient.split("-")[0], ()):
                    self.expected.add((recipient, path))

    def sender(self, seed, pause):
        rng = random.Random(seed)
        while not self.stop.is_set():
            try:
                with self.mx.smtp() as client:
                    for _ in range(rng.randrange(1, 6)):
                        recipients = self.recipients(rng)
                        client.sendmail("a@client.test", recipients, self.message(rng))
                        self.note(recipients)
                        self.stop.wait(rng.random() * pause)
            except smtplib.SMTPException:
                self.refused += 1
            except OSError as error:
                self.failures.append("sender: %s" % error)
                self.stop.wait(1)

    def slow_sender(self, seed):
        """A message by small pieces; sometimes the connection breaks off half-way."""
        rng = random.Random(seed)
        while not self.stop.is_set():
            recipients = ["good-s%d.%d@example.com" % (seed, self.number)]
            with self.lock:
                self.number += 1
            with socket.create_connection(("127.0.0.1", self.mx.port), 60) as client:
                file = client.makefile("rb")
                file.readline()
                for line in (b"HELO slow\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<%s>\r\n" % recipients[0].encode(),
                             b"DATA\r\n"):
                    client.sendall(line)
                    file.readline()
                mail = harness.mail(text="slow " * 100) + b".\r\n"
                end = rng.randrange(len(mail)) if rng.random() < 0.3 else len(mail)
                for at in range(0, end, 40):
                    client.sendall(mail[at:min(at + 40, end)])
                    self.stop.wait(0.1)
                if end == len(mail) and file.readline().startswith(b"250"):
                    self.note(recipients)
                else:
                    self.broken_off += 1

    def nonsense(self, seed):
        rng = random.Random(seed)
        while not self.stop.wait(0.5):
            try:
                with socket.create_connection(("127.0.0.1", self.mx.port), 60) as client:
                    for _ in range(30):
                        client.sendall(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 200))) + b"\r\n")
                    client.settimeout(1)
                    while client.recv(4096):
                        pass
            except OSError:
                pass

    def reloader(self):
        count = 0
        while not self.stop.wait(1):
            count += 1
            self.mx.write_rule("20-more.lua", "this is no Lua" if count % 10 == 0 else "return {}")
            self.mx.reload()

    # ---- Figures ----

    def sample(self):
        pid = self.mx.process.pid
        with open("/proc/%d/status" % pid) as file:
            status = dict(line.split(":", 1) for line in file)
        spool = os.path.join(self.mx.folder, "spool")
        size = sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(spool)
                   for name in names if os.path.exists(os.path.join(root, name)))
        return {"rss": int(status["VmRSS"].split()[0]), "fds": len(os.listdir("/proc/%d/fd" % pid)),
                "threads": int(status["Threads"]), "spool": size // 1024,
                "queue": len(self.mx.command("queue", "list").stdout.splitlines())}

    def run(self):
        threads = [threading.Thread(target=self.sender, args=(n, 0.4)) for n in range(4)]
        threads += [threading.Thread(target=self.slow_sender, args=(n,)) for n in range(8)]
        threads += [threading.Thread(target=self.nonsense, args=(1,)), threading.Thread(target=self.reloader)]
        for thread in threads:
            thread.daemon = True
            thread.start()
        print("%6s %9s %5s %8s %7s %9s %9s %8s %8s" % ("s", "RSS kB", "fds", "threads", "queue", "spool kB",
                                                      "accepted", "refused", "requests"))
        start, samples = time.monotonic(), []
        while time.monotonic() - start < MINUTES * 60 and self.mx.process.poll() is None:
            time.sleep(MINUTES * 60 / SAMPLES)
            if self.mx.process.poll() is not None:
                break
            samples.append(self.sample())
            print("%6d %9d %5d %8d %7d %9d %9d %8d %8d" % (
                time.monotonic() - start, samples[-1]["rss"], samples[-1]["fds"], samples[-1]["threads"],
                samples[-1]["queue"], samples[-1]["spool"], self.accepted, self.refused, self.posts), flush=True)
        self.stop.set()
        for thread in threads:
            thread.join(90)
        return samples

    def finish(self, samples):
        problems = self.failures[:5]
        if self.mx.process.poll() is None:
            try:
                harness.wait_until(lambda: self.expected <= self.arrived, "all to arrive", 120)
            except AssertionError:
                problems.append("missing: %s" % sorted(self.expected - self.arrived)[:5])
            last = self.sample()
            print("at rest: %s" % last)
            if self.mx.stop() != 0:
                problems.append("the exit code is not 0")
        else:
            problems.append("it ended by itself: %s" % self.mx.process.returncode)
        if problems and problems[-1].startswith(("it ended", "the exit")):
            print(self.mx.log()[-6000:])
        quarter = max(1, len(samples) // 4)
        for name in ("rss", "fds", "spool"):
            early = [s[name] for s in samples[quarter:2 * quarter]] or [0]
            late = [s[name] for s in samples[-quarter:]] or [0]
            mean = [sum(values) / len(values) for values in (early, late)]
            print("%-5s second quarter %.0f, last quarter %.0f" % (name, *mean))
            if mean[1] > mean[0] * 1.15 + 16:
                problems.append("%s grew from %.0f to %.0f" % (name, *mean))
        reloads = len(self.mx.logged("reloaded")), len(self.mx.logged("not-reloaded"))
        print("%d accepted, %d of %d deliveries that must arrive did, %d refused, %d broken off, %d requests, %d reloads "
              "(%d refused), log %d kB" % (self.accepted, len(self.expected & self.arrived), len(self.expected),
                                           self.refused, self.broken_off, self.posts, sum(reloads), reloads[1],
                                           os.path.getsize(self.mx.log_path) // 1024))
        self.mx.close()
        self.sink.close()
        print("\n".join("PROBLEM " + problem for problem in problems) or "flat, and all arrived")
        return 1 if problems else 0


if __name__ == "__main__":
    soak = Soak()
    sys.exit(soak.finish(soak.run()))
