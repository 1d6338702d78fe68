"""One call fails, at one place after the other: allocation, files, sockets, threads.

A first run writes down every place (call stack) from which a call of each kind was made; then each of them fails
once, in a run of its own: start, five messages (a small one inside TLS, a large one, one to two recipients, one whose
webhook fails first, one that is forwarded by SMTP), reload, stop. Whatever fails, the outcome must be one of OUTCOMES;
nothing that was acknowledged may be missing, and no file of it may be left over.

A part here, or MXHOOK_SAMPLE of each kind; which part is this commit's turn (MXHOOK_TURN=N: another one), so that commit
after commit takes every place. MXHOOK_ALL=1 takes all of them at once, MXHOOK_KINDS=malloc,open some kinds only,
MXHOOK_PLACE=TEXT those with that site, or that text in the call stack. MXHOOK_REPORT=FILE gets the whole list.
"""

import collections
import errno
import os
import random
import re
import shutil
import signal
import smtplib
import ssl
import subprocess
import tempfile
import time
import unittest

os.environ.setdefault("MXHOOK_PATIENCE", "20")
import faults  # noqa: E402
import harness  # noqa: E402
import mailserver  # noqa: E402

ERRORS = {"malloc": (errno.ENOMEM,), "open": (errno.EMFILE, errno.EACCES), "write": (errno.ENOSPC, errno.EIO),
          "send": (errno.ECONNRESET, errno.ENOBUFS), "log": (errno.EIO,), "read": (errno.EIO,),
          "receive": (errno.ECONNRESET,), "sync": (errno.EIO,), "unlink": (errno.EACCES,),
          "truncate": (errno.EIO,), "mkdir": (errno.ENOSPC,), "accept": (errno.EMFILE, errno.ECONNABORTED),
          "connect": (errno.ENETUNREACH,), "socket": (errno.EMFILE,), "thread": (errno.EAGAIN,),
          "epoll": (errno.ENOSPC,), "mmap": (errno.ENOMEM,)}
SAMPLE = {"malloc": 24, "open": 5}  # of each kind, in each turn
SAMPLE_OTHERS = 3
PLACES_LEAST = 1000  # in all, of every kind; less is a fault of inject.c
RULES = """
return {
    function(msg) msg.headers["X-Seen"] = "yes" end,
    alias { ["mail@example.com"] = "boss@example.net", ["two@example.com"] = "%(url)s/two", ["/^r(.)@example\\\\.com$/"] = "%(url)s/$1" },
    route.cel { when = "subject == 'nothing'", to = "null" },
    function(msg) return "%(url)s/" .. (msg.subject:match("flaky") or "all") end,
}
"""
LARGE = "\r\n".join("z" * 70 for _ in range(6000))
# Some libraries end the process: GLib (GMime is built on it) where it gets no memory, by design; libuv where a thread of
# its pool cannot be started or epoll fails, by design; libcurl 7.88 where it gets no memory for a socket's entry, by a
# mistake (it divides by the size of a table that it has just given up); libseccomp 2.5 where it gets none for a filter's
# block, by another (it reads the block), at the start. Nothing is lost by that, and the service manager starts mxhook again.
ABORTS = "%s ended the process, nothing lost"
GLIB = re.compile(r"GLib.*failed to allocate|GSlice: failed to allocate")
LIBUV = re.compile(r"(ld-linux\S* |libc\.so\S* )*libuv\.so")
LIBCURL = re.compile(r"libcurl\.so")
LIBSECCOMP = re.compile(r"libseccomp\.so")

OUTCOMES = ("no effect", "deferred with 4xx, then taken", "connection lost, then taken", "delivery tried again",
            "reload refused", "exit at start with a message", ABORTS % "GLib", ABORTS % "libuv", ABORTS % "libcurl",
            ABORTS % "libseccomp", "logged, and went on", "a file stayed until the next start", "a line of the log is missing")
NOT_REACHED = "not reached again"


def turn():
    """The number of this commit; where there is no repository, any."""
    if "MXHOOK_TURN" in os.environ:
        return int(os.environ["MXHOOK_TURN"])
    if not shutil.which("git"):
        return random.randrange(1 << 30)
    counted = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=os.path.dirname(os.path.abspath(__file__)),
                             capture_output=True, text=True)
    return int(counted.stdout) if counted.returncode == 0 else random.randrange(1 << 30)


class Hang(Exception):
    pass


class Run:
    """One run of the scenario. `environment` holds the fault."""

    def __init__(self, test, environment, kind="", stack=""):
        self.kind, self.stack = kind, stack
        self.test, self.mx, self.sink = test, test.mx, test.sink
        self.environment, self.outcomes = environment, set()
        self.sink.posts.clear()
        test.mails.messages.clear()
        test.flaky.clear()
        self.text, self.ended = "", None

    def start(self, environment):
        with faults.environment(environment):
            try:
                self.mx.start()
            except AssertionError:
                if self.mx.process.poll() is None:
                    raise Hang("it neither starts nor ends:\n" + self.mx.log())
                self.died("start")
                return False
        return True

    def died(self, when):
        """It has ended by itself."""
        code, log = self.mx.process.wait(), self.mx.log()
        self.text += log
        if GLIB.search(log) and code in (-signal.SIGABRT, -signal.SIGTRAP):
            self.outcomes.add(ABORTS % "GLib")
        elif self.kind in ("epoll", "thread", "malloc") and LIBUV.match(self.stack) and code == -signal.SIGABRT:
            self.outcomes.add(ABORTS % "libuv")
        elif self.kind == "malloc" and LIBCURL.match(self.stack) and code == -signal.SIGFPE:
            self.outcomes.add(ABORTS % "libcurl")
        elif self.kind == "malloc" and LIBSECCOMP.match(self.stack) and code == -signal.SIGSEGV and when == "start":
            self.outcomes.add(ABORTS % "libseccomp")
        elif code == 1 and when == "start" and re.search(r"not-started .*error=|^mxhook|error while loading|memory", log, re.M):
            self.outcomes.add("exit at start with a message")
        else:
            raise AssertionError("it ended (%d) in %s:\n%s" % (code, when, log[-1500:]))

    def alive(self, when):
        """Starts it again, without the fault, where it has ended."""
        if self.mx.process.poll() is None:
            return
        self.died(when)
        if not self.start({}):
            raise AssertionError("it does not start again:\n" + self.mx.log())

    def send(self, name, recipients, text="Hello", subject="A subject", tls=False):
        """As a mail server does: again, as long as it is deferred."""
        message = harness.mail(subject=subject, message_id=name, text=text)
        for _ in range(8):
            try:
                with smtplib.SMTP("127.0.0.1", self.mx.port, local_hostname="client.test", timeout=10) as client:
                    if tls:
                        client.starttls(context=self.test.tls)
                    client.sendmail("a@client.test", recipients, message)
                return
            except smtplib.SMTPResponseException as error:
                if not 400 <= error.smtp_code < 500:
                    raise AssertionError("%s was answered %s" % (name, error))
                self.outcomes.add("deferred with 4xx, then taken")
            except smtplib.SMTPRecipientsRefused as error:
                if not all(400 <= code < 500 for code, _ in error.recipients.values()):
                    raise AssertionError("%s was answered %s" % (name, error))
                self.outcomes.add("deferred with 4xx, then taken")
            except (TimeoutError, smtplib.SMTPException, OSError) as error:
                if isinstance(error, TimeoutError):
                    raise Hang("no answer to " + name)
                time.sleep(0.05)
                self.outcomes.add("connection lost, then taken")
                self.alive("a message")
        raise AssertionError("%s was never taken" % name)

    def reload(self):
        end = os.path.getsize(self.mx.log_path)
        self.mx.process.send_signal(signal.SIGHUP)

        def answer():
            if self.mx.process.poll() is not None:
                self.alive("reload")
                return "ended"
            with open(self.mx.log_path, encoding="utf-8") as file:
                file.seek(end)
                return re.search(r"^\S+ \w+ (not-)?reloaded ", file.read(), re.MULTILINE)

        try:
            found = harness.wait_until(answer, "the reload", 10)
        except harness.TimedOut:
            raise Hang("no reload")
        if found != "ended" and found.group(1):
            self.outcomes.add("reload refused")
            self.mx.reload()  # and the next one works
            if not self.mx.logged("reloaded"):
                raise AssertionError("no reload after one that failed:\n" + self.mx.log()[-1500:])

    def whole_posts(self):
        """Those that did not break off."""
        return [post for post in self.sink.posts if len(post.body) == int(post.headers["content-length"])]

    def wait_arrived(self):
        expected = collections.Counter({("small", "/all"): 1, ("large", "/all"): 1, ("pair", "/two"): 1,
                                        ("pair", "/1"): 1, ("flaky", "/flaky"): 1})

        def arrived():
            self.alive("delivery")
            mails = [m for m in self.test.mails.messages if m.fields("Message-ID") == ["<mail>"]]
            return mails and set(expected) <= {(post.json["message-id"], post.path) for post in self.whole_posts()}

        try:
            harness.wait_until(arrived, "the deliveries", 25)
        except harness.TimedOut:
            raise Hang("not all arrived: %s; queue:\n%s" % (
                [(post.id, post.path) for post in self.sink.posts], self.mx.command("queue", "list").stdout))
        for post in self.whole_posts():
            if post.headers.get("x-seen") or post.json["headers"].get("X-Seen") != "yes":
                raise AssertionError("a rule was left out: %s" % post.json["headers"])

    def stop(self):
        def is_empty():
            queue = self.mx.command("queue", "list")
            return queue.returncode == 0 and not queue.stdout
        self.alive("delivery")
        try:
            harness.wait_until(is_empty, "an empty queue", 10)
        except harness.TimedOut:
            raise Hang("the queue does not become empty")
        self.mx.process.terminate()
        try:
            code = self.mx.process.wait(10)
        except subprocess.TimeoutExpired:
            raise Hang("it does not stop")
        self.text += self.mx.log()
        if code != 0:
            self.died("stop")
        bodies = os.path.join(self.mx.folder, "spool", "bodies")
        if os.listdir(bodies):
            self.outcomes.add("a file stayed until the next start")
            self.start({})
            self.mx.stop()
        if os.listdir(bodies):
            raise AssertionError("left in bodies/: %s" % os.listdir(bodies))

    def run(self):
        shutil.rmtree(os.path.join(self.mx.folder, "spool"), ignore_errors=True)
        try:
            if not self.start(self.environment) and not self.start({}):
                raise AssertionError("it does not start:\n" + self.mx.log())
            self.send("small", ["hook@example.com"], tls=True)
            self.send("large", ["hook@example.com"], text=LARGE)
            self.send("pair", ["two@example.com", "r1@example.com"], text=LARGE)
            self.send("flaky", ["hook@example.com"], subject="flaky")
            self.send("mail", ["mail@example.com"])
            self.reload()
            self.wait_arrived()
            self.stop()
        finally:
            if self.mx.process and self.mx.process.poll() is None:
                self.mx.process.kill()
                self.mx.process.wait()
        if len(re.findall(r" retry id=", self.text)) > 1:  # one is planned
            self.outcomes.add("delivery tried again")
        if not self.outcomes and re.search(r" (error|warn) (?!privileges|retry |reload )", self.text):
            self.outcomes.add("logged, and went on")
        return self.outcomes or {"no effect"}


class Inject(harness.TestCase):
    def setUp(self):
        if not faults.INJECT:
            self.skipTest("a sanitizer's own preload comes first")
        self.flaky = set()
        self.sink = self.receiver(self.answer)
        self.mails = mailserver.MailServer()
        self.addCleanup(self.mails.close)
        folder = tempfile.mkdtemp(prefix="mxhook-inject-")
        self.addCleanup(shutil.rmtree, folder)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=mx.test", "-keyout", folder + "/key", "-out", folder + "/pem"],
                       check=True, capture_output=True)
        self.tls = ssl._create_unverified_context()
        self.mx = self.server({"10-all.lua": RULES % {"url": self.sink.url}}, """
            tls = { certificates = { { certificate = "%s/pem", key = "%s/key" } } }
            forward = { smarthost = "smtp://127.0.0.1:%d", srs = false, schedule = { "50ms" }, attempts = 30,
                timeout = "3s" } -- libcurl sends on in a session that is out of step after a send has failed
            shutdown_timeout = "5s"
            rules = { workers = 2 }
            log_level = "debug"
            deliver = { schedule = { "50ms" }, attempts = 30, breaker_failures = 100000 }""" % (
                folder, folder, self.mails.port), start=False)
        self.fired = os.path.join(self.mx.folder, "fired")

    def answer(self, post):
        if post.path == "/flaky" and post.path not in self.flaky:
            self.flaky.add(post.path)
            return 503
        return 200

    def places(self):
        """(kind, site, stack) in the order in which they were first reached."""
        found = os.path.join(self.mx.folder, "sites")
        Run(self, {"LD_PRELOAD": faults.INJECT, "MXHOOK_INJECT_SITES": found}).run()
        with open(found) as file:
            return [line.rstrip().split(" ", 2) for line in file]

    def choose(self, places):
        kinds = os.environ.get("MXHOOK_KINDS", ",".join(ERRORS)).split(",")
        by_kind = collections.defaultdict(list)
        for place in places:
            if place[0] in kinds:
                by_kind[place[0]].append(place)
        if "MXHOOK_PLACE" in os.environ:
            return [place for place in places if os.environ["MXHOOK_PLACE"] in " ".join(place)]
        if os.environ.get("MXHOOK_ALL"):
            return [place for kind in kinds for place in by_kind[kind]]
        if "MXHOOK_SAMPLE" in os.environ:
            SAMPLE.update(dict.fromkeys(by_kind, int(os.environ["MXHOOK_SAMPLE"])))
        return [place for kind, some in by_kind.items() for place in self.part_of(some, SAMPLE.get(kind, SAMPLE_OTHERS))]

    def part_of(self, some, size):
        """Every so-many-th place, so that a part has early and late ones; the parts of as many turns are all of them."""
        parts = -(-len(some) // size)
        return some[self.turn % parts::parts]

    def try_place(self, kind, site, stack, error):
        if os.path.exists(self.fired):
            os.unlink(self.fired)
        environment = faults.injecting(kind, int(site, 16), 1, str(error))
        environment["MXHOOK_INJECT_FIRED"] = self.fired
        try:
            outcomes = Run(self, environment, kind, stack).run()
        except Hang as hang:
            if kind == "log" and self.hang_is_of_the_test(str(hang)):
                return ["a line of the log is missing"]
            return ["FAILED", "hangs: %s" % hang]
        except (AssertionError, Exception) as failure:  # noqa: B014  one report for all of them
            return ["FAILED", str(failure)]
        return sorted(outcomes) if os.path.getsize(self.fired) > 0 else [NOT_REACHED]

    @staticmethod
    def hang_is_of_the_test(text):
        """It waits for these lines; the server does not care."""
        return text.startswith("no reload") or text.startswith("it neither starts") and re.search(" listening | started ", text)

    def test_every_fault_has_a_known_outcome(self):
        self.turn, places = turn(), self.places()
        self.assertEqual({place[0] for place in places}, set(ERRORS))
        self.assertGreater(len(places), PLACES_LEAST)
        chosen = self.choose(places)
        print("turn %d: %d places, %d chosen" % (self.turn, len(places), len(chosen)), flush=True)
        table, failures = collections.Counter(), []
        report = open(os.environ.get("MXHOOK_REPORT", os.devnull), "w")
        self.addCleanup(report.close)
        for kind, site, stack in chosen:
            for error in ERRORS[kind]:
                outcome = self.try_place(kind, site, stack, error)
                table[kind, errno.errorcode[error], "FAILED" if outcome[0] == "FAILED" else " + ".join(outcome)] += 1
                print(kind, site, errno.errorcode[error], " + ".join(outcome), "|", stack, file=report, flush=True)
                if outcome[0] == "FAILED":
                    failures.append("%s %s %s: %s\n  %s" % (kind, site, errno.errorcode[error], outcome[1], stack))
                    print("MXHOOK_PLACE=%s (%s %s): %s" % (site, kind, errno.errorcode[error], outcome[1]), flush=True)
        for (kind, error, outcome), count in sorted(table.items()):
            print("  %-8s %-12s %4d  %s" % (kind, error, count, outcome))
        self.assertEqual(failures, [])
        tried, reached = sum(table.values()), sum(count for key, count in table.items() if key[2] != NOT_REACHED)
        self.assertGreater(tried, 0)
        self.assertGreaterEqual(reached, tried / 2)  # who comes first differs from run to run, but not so much


if __name__ == "__main__":
    unittest.main()
