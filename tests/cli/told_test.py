"""What mxhook status and reload make of the admin room's answers, and which lines mxhook log picks: to the letter."""

import json
import os
import pathlib
import signal
import socketserver
import subprocess
import tempfile
import threading
import unittest

MXHOOK = os.environ["MXHOOK"]
ID, OTHER = "01k4m1bz8w3d4q7n", "01k4m1bz8w3d4q8x"

STATUS = {
    "version": "1.2.3", "hostname": "mx.test", "started": "2026-11-27T12:00:00.000Z", "ready": True, "accepted": 5, "deferred": 0,
    "rejected": 2, "connections": 1, "waiting": 7, "failed": 3, "in_flight": 4, "oldest_waiting": "2026-11-27T12:00:01.000Z",
    "rules": 2, "rule_errors": 1, "workers_busy": 0, "workers": 4, "reload": {"ok": True, "time": "2026-11-27T12:00:02.000Z", "text": None},
    "failing_rules": [{"file": "a.lua", "errors": 3}, {"file": "b\u001b[31m.lua", "errors": 1}],
    "held": [{"origin": "http://a.test:80", "until": "2026-11-27T12:00:03.000Z", "failures": 4, "waiting": 2, "urls": 0},
             {"origin": "http://b.test:80", "until": "2026-11-27T12:00:04.000Z", "failures": 1, "waiting": 1, "urls": 2}],
    "paused": [{"destination": "http://c.test:80", "since": "2026-11-27T12:00:05.000Z", "waiting": 6, "reason": "why"},
               {"destination": "http://d.test:80", "since": "2026-11-27T12:00:06.000Z", "waiting": 0, "reason": None}]}
FIGURES = """\
accepted     5  deferred 0  rejected 2  connections 1
waiting      7  failed 3  in flight 4  oldest since %s
rules        2  errors 1  workers busy 0 of 4
"""
LISTS = """\
rule failing a.lua errors: 3
rule failing b\\x1b[31m.lua errors: 1
held         http://a.test:80 until 2026-11-27T12:00:03.000Z after failures: 4 waiting: 2
held         http://b.test:80 until 2026-11-27T12:00:04.000Z after failures: 1 waiting: 1 URLs held: 2
paused       http://c.test:80 since 2026-11-27T12:00:05.000Z waiting: 6 reason: why
paused       http://d.test:80 since 2026-11-27T12:00:06.000Z waiting: 0 reason: -
"""
HEAD = "mxhook       1.2.3 on mx.test, since 2026-11-27T12:00:00.000Z\n"

LOG = """\
t info accepted id=%(a)s-1 size=5 from=ann@x.test
t info deliver id=%(a)s-1-1 url=https://one.test/in
t info delivered id=%(a)s-1-1 url=https://one.test/in
t info accepted id=%(b)s-1 sender="bob smith@x.test"
t info retry id=%(b)s-1-2 url="https://two.test/in x" error=x
t info deliver id=%(b)s-12 to=boss@y.test
t info reloaded rules=2
t info bad id=%(a)s1-1 from=none
"""


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        head = []
        while line := self.rfile.readline().strip():
            head.append(line.decode())
        self.server.asked.append(head)
        status, body = self.server.answer
        self.wfile.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)) + body)


class Room(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class Told(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "rules.d").mkdir()
        self.config = self.folder / "mxhook.lua"
        self.config.write_text('domains = { "mail.test" } spool = { directory = "spool" } admin = { listen = { "127.0.0.1:1", "unix:%s" } }'
                               % (self.folder / "s"))
        self.room = Room(str(self.folder / "s"), Handler)
        self.room.asked = []
        self.addCleanup(self.room.server_close)
        self.addCleanup(self.room.shutdown)
        threading.Thread(target=self.room.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def run_it(self, *arguments, stdin=None, **environment):
        return subprocess.run([MXHOOK, *arguments], capture_output=True, text=True, timeout=60, input=stdin, env={**os.environ, **environment})

    def status(self, status, body, *arguments, **environment):
        self.room.answer = (status, (body if isinstance(body, str) else json.dumps(body)).encode())
        done = self.run_it("status", *arguments, "--config", str(self.config), **environment)
        return done.returncode, done.stdout, done.stderr

    def test_status(self):
        figures = FIGURES % "2026-11-27T12:00:01.000Z"
        fine = HEAD + "mail         is taken in\n" + figures + "reload       fine, what runs is of 2026-11-27T12:00:02.000Z\n" + LISTS
        self.assertEqual(self.status(200, STATUS), (0, fine, ""))
        self.assertEqual(self.room.asked[0][0], "GET /api/v1/status HTTP/1.1")
        self.assertNotIn("Authorization", str(self.room.asked))
        self.status(200, STATUS, MXHOOK_TOKEN="abc")
        self.assertIn("Authorization: Bearer abc", self.room.asked[1])
        self.assertEqual(self.status(200, STATUS, "--json"), (0, json.dumps(STATUS) + "\n", ""))
        bad = {**STATUS, "ready": False, "checks": {"loop": {"ok": True}, "rules": {"ok": False, "why": "none"},
                                                    "spool": {"ok": False, "why": "full\u001b"}},
               "oldest_waiting": None, "reload": {"ok": False, "time": "2026-11-27T12:00:02.000Z", "text": "x.lua:1: wrong"},
               "failing_rules": [], "held": [], "paused": []}
        self.assertEqual(self.status(200, bad), (
            1, HEAD + "mail         is NOT taken in\n  rules      none\n  spool      full\\x1b\n" + FIGURES % "-" +
            "reload       FAILED, what runs is of 2026-11-27T12:00:02.000Z\n  x.lua:1: wrong\n", ""))
        many = [{"file": "%d.lua" % i, "errors": i} for i in range(25)]
        listed = self.status(200, {**STATUS, "failing_rules": many})[1]
        self.assertEqual([line.split()[2] for line in listed.splitlines() if "rule failing" in line], ["%d.lua" % i for i in range(20)])
        self.assertEqual(self.status(503, "stopping"), (1, "", "mxhook status: stopping\n"))
        self.assertEqual(self.status(200, STATUS, "more")[0], 2)

    def test_nobody_answers(self):
        self.config.write_text('domains = { "mail.test" } spool = { directory = "spool" } admin = { listen = { "unix:%s/none" } }' % self.folder)
        done = self.run_it("status", "--config", str(self.config))
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertTrue(done.stderr.startswith("mxhook status: the server does not answer at unix:%s/none: " % self.folder), done.stderr)
        self.config.write_text('domains = { "mail.test" } spool = { directory = "spool" }')
        done = self.run_it("status", "--config", str(self.config))
        self.assertEqual((done.returncode, done.stderr), (1, "mxhook status: admin.listen is not set: there is nothing to ask\n"))

    def reload(self, *arguments):
        done = self.run_it("reload", *arguments, "--config", str(self.config))
        return done.returncode, done.stdout, done.stderr

    def sleeper(self):
        """A process that SIGHUP ends, even where these tests run under nohup."""
        process = subprocess.Popen(["sleep", "600"], preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_reload(self):
        told = self.sleeper()
        pid = str(told.pid)
        for (status, body), arguments, expected in (
                ((200, b'{"reloaded":"2 rules\\u001b"}'), [], (0, "reloaded: 2 rules\\x1b\n", "")),
                ((200, b'{"reloaded":"2 rules"}'), ["--pid", pid], (0, "reloaded: 2 rules\n", "")),
                ((422, b'{"error":"x.lua:1: wrong"}'), ["--pid", pid], (1, "", "mxhook reload: x.lua:1: wrong\n")),
                ((500, b"oops"), [], (1, "", "mxhook reload: oops\n")),
                ((401, b'{"error":"who are you?"}'), [], (1, "", "mxhook reload: who are you?\n"))):
            self.room.answer = (status, body)
            self.assertEqual(self.reload(*arguments), expected)
            self.assertIn("POST /api/v1/reload HTTP/1.1", self.room.asked[-1])
        self.assertIsNone(told.poll())
        self.room.answer = (403, b"{}")
        self.assertEqual(self.reload("--pid", pid), (0, "SIGHUP sent to %s; what came of it is in the log\n" % pid, ""))
        self.assertEqual(told.wait(60), -signal.SIGHUP)
        self.assertEqual(self.reload("--pid", "4194304"), (1, "", "mxhook reload: 4194304: No such process\n"))  # above all there can be
        self.assertEqual(self.reload("--pid", "4194305")[0], 2)
        self.assertEqual(self.reload("--pid", "0")[0], 2)
        self.config.write_text('domains = { "mail.test" } spool = { directory = "spool" }')
        self.assertEqual(self.reload(), (
            1, "", "mxhook reload: admin.listen is not set: there is nothing to ask; give --pid to send SIGHUP\n"))
        self.config.write_text("domains = 5")
        heard = self.sleeper()
        self.assertEqual(self.reload("--pid", str(heard.pid))[0], 1)
        self.assertEqual(heard.wait(60), -signal.SIGHUP)  # it is told all the same

    def test_log(self):
        text = LOG % {"a": ID, "b": OTHER}
        path = self.folder / "log"
        path.write_text(text)
        lines = text.splitlines(True)
        for arguments, wanted in (
                ([], range(8)), ([ID], [0, 1, 2]), (["--id", ID + "-1"], [0, 1, 2]), ([ID + "-1-1"], [1, 2]), ([OTHER + "-1"], [3, 4]),
                (["--id", OTHER], [3, 4, 5]), (["--id", "01k"], []),
                (["--sender", "ann@"], [0, 1, 2]), (["--sender", "smith"], [3, 4]), (["--sender", "zoe"], []),
                (["--destination", "one.test"], [1, 2]), (["--destination", "in x"], [4]), (["--destination", "boss@"], [5]),
                (["--sender", "ann", "--destination", "boss"], [0, 1, 2, 5])):
            done = self.run_it("log", *arguments, str(path))
            self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", "".join(lines[i] for i in wanted)), arguments)
            self.assertEqual(self.run_it("log", *arguments, stdin=text).stdout, done.stdout)
        self.assertEqual(self.run_it("log", stdin="no end\x1b").stdout, "no end\\x1b\n")
        done = self.run_it("log", str(self.folder / "none"))
        self.assertEqual((done.returncode, done.stderr), (1, "mxhook log: %s/none: No such file or directory\n" % self.folder))
        self.assertEqual(self.run_it("log", str(path), str(path)).returncode, 2)
        # Of more messages than are remembered the oldest are forgotten.
        many = "".join("t info accepted id=%016d-1 from=ann@x.test\n" % i for i in range(1001))
        behind = "".join("t info delivered id=%016d-1-1 url=x\n" % i for i in range(1001))
        self.assertEqual(self.run_it("log", "--sender", "ann", stdin=many + behind).stdout, many + behind.partition("\n")[2])

    def test_log_follows(self):
        path = self.folder / "log"
        path.write_text("t info a id=x\n")
        process = subprocess.Popen([MXHOOK, "log", "-f", str(path)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "t info a id=x\n")
        with open(path, "a") as file:
            file.write("t info b id=y\n")
        self.assertEqual(process.stdout.readline(), "t info b id=y\n")


if __name__ == "__main__":
    unittest.main()
