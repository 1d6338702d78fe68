"""What mxhook queue and mxhook destination print, to the letter: of a spool whose every row is known. No server runs."""

import json
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import unittest

import spool_rows
from spool_rows import IN, LATER, NOON, OTHER

MXHOOK = os.environ["MXHOOK"]
class Texts(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in ("rules.d", "none"):
            (self.folder / name).mkdir()
        self.write("mxhook.lua", "spool")
        self.write("none.lua", "none")
        self.assertEqual(self.run_it("queue", "export", "--to", str(self.folder / "spool"), config="none.lua").returncode, 1)
        self.db = sqlite3.connect(self.folder / "spool/spool.db", isolation_level=None)
        self.addCleanup(self.db.close)
        self.keys = spool_rows.keys(self.db, self.run_it)
        spool_rows.fill(self.db, self.keys)

    def write(self, name, spool):
        (self.folder / name).write_text('domains = { "mail.test" }\nspool = { directory = "%s" }\n' % spool)

    def run_it(self, *arguments, config="mxhook.lua"):
        return subprocess.run([MXHOOK, *arguments, "--config", str(self.folder / config)], capture_output=True, text=True, timeout=60)

    def say(self, *arguments, code=0, err=""):
        done = self.run_it(*arguments)
        self.assertEqual((done.returncode, done.stderr), (code, err), arguments)
        return done.stdout

    def pause(self, *arguments):
        spool_rows.pause(self.db, self.keys, *arguments)

    def hold(self, *arguments):
        spool_rows.hold(self.db, self.keys, *arguments)

    # ---- list, failures, show, origins ----

    def test_list(self):
        self.assertEqual(self.say("queue", "list"), LIST)
        self.assertEqual(self.say("queue", "list", "--failed"), "".join(LIST.splitlines(True)[1:4]))
        self.assertEqual(self.say("queue", "list", "--all-failed"), "".join(LIST.splitlines(True)[1:4]))
        self.assertEqual(json.loads(self.say("queue", "list", "--json")), LIST_JSON)
        self.assertEqual(self.say("queue", "list", "--host", "nowhere.test"), "")
        self.assertEqual(self.say("queue", "list", "--host", "nowhere.test", "--json"), "[]\n")
        self.pause(IN, True, NOON, "")
        self.assertEqual(self.say("queue", "list"), LIST.replace("waiting  ", "paused   ", 1))
        self.assertEqual([each["paused"] for each in json.loads(self.say("queue", "list", "--json"))],
                         [True, False, False, False, False])

    def test_failures(self):
        self.assertEqual(self.say("queue", "failures"), FAILURES)
        self.assertEqual(json.loads(self.say("queue", "failures", "--json")), FAILURES_JSON)
        self.assertEqual(self.say("queue", "failures", "--status", "404"), "")
        self.assertEqual(self.say("queue", "failures", "--status", "404", "--json"), "[]\n")

    def test_show(self):
        for ident, expected in SHOWN.items():
            self.assertEqual(self.say("queue", "show", ident), expected)
        shown = json.loads(self.say("queue", "show", "01ktwo-1-1", "--json"))
        self.assertEqual(shown, {**LIST_JSON[1], "size": 2, "tries": TRIES})
        self.pause(IN, False, NOON, "a new certificate")
        self.assertEqual(self.say("queue", "show", "01kone-1-1"), SHOWN["01kone-1-1"].replace(
            "state        waiting\n", "state        paused\npaused       since 2026-11-27T12:00:00Z: a new certificate\n"))
        self.assertEqual(self.say("queue", "show", "01ktwo-1-1"), SHOWN["01ktwo-1-1"])  # that has failed
        self.db.execute("UPDATE paused SET reason = ''")
        self.assertIn("\npaused       since 2026-11-27T12:00:00Z\n", self.say("queue", "show", "01kone-1-1"))
        self.say("queue", "show", "nobody", code=1, err="mxhook queue: nobody: no such delivery\n")

    def test_origins(self):
        self.assertEqual(sorted(self.say("queue", "origins").splitlines()), sorted(ORIGINS.splitlines()))
        self.db.execute("UPDATE delivery SET due = ? WHERE row = 3", (LATER + 2000,))  # so that the first is known
        self.hold(IN, False, LATER + 5000, 4)
        self.hold(IN, True, LATER, 2)
        self.pause(IN, True, NOON, "one")
        self.pause(IN, False, NOON + 1000, "the whole")
        lines = self.say("queue", "origins").splitlines(True)
        self.assertEqual(lines[0], "http://hooks.example:80 waiting=2 due=2100-01-01T00:00:00Z failed=1 failures=4 "
                         "held-until=2100-01-01T00:00:05Z held-urls=1 paused-urls=1 paused-since=2026-11-27T12:00:01Z "
                         "reason=the whole\n")
        self.assertEqual(lines[1:], ORIGINS.splitlines(True)[1:])
        found = json.loads(self.say("queue", "origins", "--json"))
        self.assertEqual(found[0], {
            "origin": "http://hooks.example:80", "waiting": 2, "due": "2100-01-01T00:00:00Z", "failed": 1,
            "held_until": "2100-01-01T00:00:05Z", "failures": 4, "held_urls": 1, "paused_since": "2026-11-27T12:00:01Z",
            "paused_reason": "the whole", "paused_urls": 1, "last_at": None, "last_status": None, "last_error": None,
            "latency_ms": None})
        self.assertEqual([(each["origin"], each["waiting"], each["due"], each["failed"], each["failures"]) for each in found[1:]],
                         [("smtp://relay.example:25", 1, "2100-01-01T00:00:01Z", 0, 0), ("http://other.example:80", 0, None, 1, 0)])
        self.db.execute("UPDATE paused SET reason = ''")
        self.assertNotIn("reason", self.say("queue", "origins"))

    # ---- destination ----

    def test_destinations(self):
        self.assertEqual(self.say("destination", "list"), "")
        self.assertEqual(self.say("destination", "list", "--json"), "[]\n")
        self.pause(IN, True, NOON, "why")
        self.pause(OTHER, False, NOON + 1000, "")
        expected = ["http://hooks.example/in since=2026-11-27T12:00:00Z waiting=1 reason=why\n",
                    "http://other.example (all of it) since=2026-11-27T12:00:01Z waiting=0\n"]
        self.assertEqual(self.say("destination", "list"), "".join(expected))
        self.assertEqual(json.loads(self.say("destination", "list", "--json")), [
            {"destination": "http://hooks.example/in", "scope": "url", "since": "2026-11-27T12:00:00Z", "reason": "why", "waiting": 1},
            {"destination": "http://other.example", "scope": "origin", "since": "2026-11-27T12:00:01Z", "reason": None, "waiting": 0}])
        self.assertEqual(self.say("destination", "pause", IN, "--reason", "other"), "paused " + expected[0].replace("why", "other"))
        self.assertEqual(self.say("destination", "resume", IN), "resumed http://hooks.example:80/in\n")
        self.say("destination", "resume", IN, code=1, err="mxhook destination: http://hooks.example:80/in: is not paused\n")
        resumed, = json.loads(self.say("destination", "resume", OTHER, "--origin", "--json"))
        self.assertEqual((resumed["destination"], resumed["scope"], resumed["waiting"]), ("http://other.example:80", "origin", 0))
        self.assertEqual(self.say("destination", "list"), "")

    def test_wrong_arguments(self):
        hint = "\nTry: mxhook destination --help\n"
        for arguments, said in ((["pause"], "pause: one URL is expected"), (["pause", IN, OTHER], "pause: one URL is expected"),
                                (["resume", IN, "--reason", "x"], "resume takes no --reason"), (["resume", ""], "resume: the URL is empty"),
                                (["list", IN], "list takes no URL"), (["list", "--origin"], "list takes no --origin"),
                                (["list", "--reason", "x"], "list takes no --reason")):
            self.say("destination", *arguments, code=2, err="mxhook destination: " + said + hint)
        self.assertTrue(self.run_it("destination").stderr.startswith("Usage: mxhook destination pause URL"))
        self.say("destination", "stop", IN, code=2, err="mxhook destination: no command 'stop'" + hint)
        hint = "\nTry: mxhook queue --help\n"
        for arguments, said in (
                (["show"], "show: one ID is expected"), (["show", "a", "b"], "show: one ID is expected"), (["list", "a"], "list takes no ID"),
                (["show", "a", "--failed"], "show takes no filter"), (["origins", "--all"], "origins takes no filter"),
                (["drop", "--all", "--status", "0"], "either --all or a filter"),
                (["drop"], "drop: either IDs, or a filter such as --failed, or --all"),
                (["retry", "a", "--failed"], "retry: either IDs, or a filter such as --failed, or --all"),
                (["list", "--dry-run"], "list changes nothing: no --dry-run, no --yes"),
                (["list", "-y"], "list changes nothing: no --dry-run, no --yes"), (["list", "--to", "x"], "--to is for export"),
                (["export"], "export: --to FOLDER is expected"), (["export", "a", "--to", "x"], "export takes no ID"),
                (["export", "--to", "x", "--failed"], "export takes no filter"),
                (["lost"], "no command 'lost'\nDid you mean 'list'? Try: mxhook queue --help"),
                (["drop", "a", "--now"], "--now is for retry"), (["list", "--host", " "], "host: its value is empty; everything is --all")):
            self.say("queue", *arguments, code=2, err="mxhook queue: " + said + (hint if "Try:" not in said else "\n"))
        for value in ("-1", "1000", "", "5x"):
            self.assertEqual(self.run_it("queue", "list", "--status", value).returncode, 2, value)
        for value in ("0", "999"):
            self.assertEqual(self.run_it("queue", "list", "--status", value).returncode, 0, value)
        self.assertTrue(self.run_it("queue").stderr.startswith("Usage: mxhook queue list|failures"))

    # ---- what changes it ----

    def test_a_dry_run(self):
        lines = LIST.splitlines(True)
        for arguments, expected in ((["drop", "--all"], LIST), (["retry", "--failed"], "".join(lines[1:4])),
                                    (["drop", "01kfour-1-1", "01kone-1-1"], lines[4] + lines[0]),
                                    (["edit", "--all", "--unsigned"], "".join(lines[:4])), (["edit", "01kfour-1-1", "--unsigned"], "")):
            self.assertEqual(self.say("queue", *arguments, "--dry-run"), expected)
        self.assertEqual(json.loads(self.say("queue", "drop", "--status", "0", "--dry-run", "--json")), [LIST_JSON[0], LIST_JSON[3]])
        self.assertEqual(json.loads(self.say("queue", "edit", "--all", "--unsigned", "--dry-run", "--json")), LIST_JSON[:4])
        self.say("queue", "drop", "01kone-1-1", "nobody", "--dry-run", code=1, err="mxhook queue: nobody: no such delivery\n")
        self.assertEqual(self.say("queue", "list"), LIST)

    def test_what_is_changed_is_told(self):
        self.assertEqual(self.say("queue", "retry", "01ktwo-1-1", "01ktwo-1-2"),
                         "01ktwo-1-1 due now (it was failed after 3 attempts): b@mail.test http://hooks.example/in\n"
                         "01ktwo-1-2 due now (it was failed after 1 attempt): c@mail.test http://hooks.example/in\n")
        self.assertEqual(self.db.execute("SELECT row, attempts, last_status, last_error FROM delivery WHERE due < ?", (LATER,)).fetchall(),
                         [(2, 0, 0, None), (3, 0, 0, None)])
        self.assertEqual(self.say("queue", "drop", "01kone-1-1"),
                         "01kone-1-1 dropped (it was waiting after 0 attempts): a@mail.test http://hooks.example/in?key=1\n")
        self.say("queue", "drop", "nobody", "01ktwo-1-1", code=1, err="mxhook queue: nobody: no such delivery\n")
        self.assertEqual(self.say("queue", "edit", "01kfour-1-1", "01ktwo-1-1", "--secret", "x",
                                  err="mxhook queue: 01kfour-1-1 is e-mail: it stays as it is\n"), "1 edited\n")
        self.assertEqual(json.loads(self.say("queue", "edit", "--all", "--unsigned", "--json")), {"action": "edit", "count": 3})
        self.assertEqual(json.loads(self.say("queue", "drop", "01ktwo-1-1", "01ktwo-1-2", "--json")), {"action": "drop", "count": 2})
        self.assertEqual(self.say("queue", "retry", "--failed"), "1 due now\n")
        self.assertEqual(self.say("queue", "drop", "--failed"), "0 dropped\n")
        self.assertEqual(self.say("queue", "drop", "--all"), "2 dropped\n")
        self.assertEqual([self.db.execute("SELECT count(*) FROM " + table).fetchone()[0] for table in ("delivery", "payload", "attempt")],
                         [0, 0, 0])

    def test_retry_tells_what_must_wait(self):
        self.hold(IN, True, LATER, 1)
        self.hold(OTHER, False, LATER + 1000, 2)
        self.pause(OTHER, False, NOON, "")
        one = "1 of them goes to http://other.example:80/x, held until 2100-01-01T00:00:01Z after 2 failures"
        held = " to http://hooks.example:80/in, held until 2100-01-01T00:00:00Z after 1 failure"
        three = "3 of them go" + held
        paused = "1 of them waits until its destination is resumed (mxhook destination list)\n"
        hint = " (--now probes it at once)\n"
        order = [one, three] if self.keys[OTHER] < self.keys[IN] else [three, one]
        self.assertEqual(self.say("queue", "retry", "--all", err=hint.join(order) + hint + paused), "5 due now\n")
        self.pause(IN, False, NOON, "")
        self.say("queue", "retry", "01kone-1-1", "01kfour-1-1", err="1 of them goes" + held + hint + paused)
        self.db.execute("DELETE FROM held WHERE until = ?", (LATER + 1000,))
        self.say("queue", "retry", "01kone-1-1", "01ktwo-1-1", "--now",
                 err="2 of them go" + held + ": it is probed at once\n2 of them wait until their destination is resumed (mxhook destination list)\n")
        (until,), = self.db.execute("SELECT until FROM held")
        self.assertLess(until, LATER)
        self.db.execute("DELETE FROM paused")
        self.say("queue", "retry", "--all")  # what is over holds nothing

    def test_where_no_spool_is(self):
        done = self.run_it("queue", "list", config="none.lua")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "mxhook queue: %s/none/spool.db: No such file or directory\n" % self.folder)
        done = self.run_it("nodes")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "mxhook nodes: the spool is this machine's alone: spool.postgres is not set\n"))

    # ---- export ----

    def test_an_export_tells_what_is_lost(self):
        saved = self.folder / "saved"
        (self.folder / "spool/bodies/left-over").write_bytes(b"x")
        self.db.execute("UPDATE payload SET file = 'gone', bytes = 2 WHERE row = 4")
        self.db.execute("INSERT INTO payload (row, last, bytes) VALUES (9, 9, x'00')")
        self.assertEqual(self.say("queue", "export", "--to", str(saved), code=1),
                         "lost: 01kthree-1-1 d@mail.test: a payload's file cannot be opened\n"
                         "4 deliveries saved in %s: 2 waiting, 2 failed\n1 lost: what they carry cannot be read\n"
                         "1 payloads of deliveries that cannot be read, in %s/found\n"
                         "1 files that no delivery names, in %s/found\n" % (saved, saved, saved))
        self.say("queue", "export", "--to", str(saved), code=1, err="mxhook queue: %s: is there already\n" % saved)
        self.say("queue", "export", "--to", str(saved), "--json", code=1, err="mxhook queue: %s: is there already\n" % saved)
        lost = {"id": "01kthree-1-1", "recipient": "d@mail.test", "reason": "a payload's file cannot be opened"}
        told = {"lost": [lost], "action": "export", "count": 4, "waiting": 2, "failed": 2, "to": str(self.folder / "json"),
                "found_payloads": 1, "found_files": 1, "error": None}
        self.assertEqual(json.loads(self.say("queue", "export", "--to", told["to"], "--json", code=1)), told)
        self.db.execute("DELETE FROM delivery WHERE row = 4")
        self.db.execute("DELETE FROM payload WHERE row IN (4, 9)")
        (self.folder / "spool/bodies/left-over").unlink()
        again = self.folder / "again"
        self.assertEqual(self.say("queue", "export", "--to", str(again)), "4 deliveries saved in %s: 2 waiting, 2 failed\n" % again)
        told = {**told, "lost": [], "to": str(self.folder / "more"), "found_payloads": 0, "found_files": 0}
        self.assertEqual(json.loads(self.say("queue", "export", "--to", told["to"], "--json")), told)
        self.write("mxhook.lua", "again")
        self.assertEqual(self.say("queue", "list"), "".join(LIST.splitlines(True)[:3] + LIST.splitlines(True)[4:]))


LIST = """\
01kone-1-1 waiting   0 2100-01-01T00:00:00Z a@mail.test http://hooks.example/in?key=1
01ktwo-1-1 failed    3 - b@mail.test http://hooks.example/in 500 answered 500: broken
01ktwo-1-2 failed    1 - c@mail.test http://hooks.example/in 500 answered 500: broken
01kthree-1-1 failed    1 - d@mail.test http://other.example/x
01kfour-1-1 waiting   2 2100-01-01T00:00:01Z ops@mail.test boss@else.test (tells that 01ktwo-1-1 has failed) 451 450 later\\x1b[31m
"""
KEYS = ("id", "state", "paused", "attempts", "accepted", "due", "sender", "recipient", "destination", "status", "error", "about", "node")
LIST_JSON = [dict(zip(KEYS, values)) for values in (
    ("01kone-1-1", "waiting", False, 0, "2026-11-27T12:00:00Z", "2100-01-01T00:00:00Z", "", "a@mail.test",
     "http://hooks.example/in?key=1", None, None, None, None),
    ("01ktwo-1-1", "failed", False, 3, "2026-11-27T12:00:01Z", None, "s@x.test", "b@mail.test", IN, 500, "answered 500: broken", None, None),
    ("01ktwo-1-2", "failed", False, 1, "2026-11-27T12:00:05Z", None, "s@x.test", "c@mail.test", IN, 500, "answered 500: broken", None, None),
    ("01kthree-1-1", "failed", False, 1, "2026-11-27T12:00:03Z", None, "s@x.test", "d@mail.test", OTHER, None, None, None, None),
    ("01kfour-1-1", "waiting", False, 2, "2026-11-27T12:00:04Z", "2100-01-01T00:00:01Z", "", "ops@mail.test", "boss@else.test", 451,
     "450 later\x1b[31m", "01ktwo-1-1", None))]
FAILURES = """\
2 http://hooks.example/in 500 broken first=2026-11-27T12:00:01Z last=2026-11-27T12:00:05Z example=01ktwo-1-1
1 http://other.example/x (no text) first=2026-11-27T12:00:03Z last=2026-11-27T12:00:03Z example=01kthree-1-1
"""
FAILURES_JSON = [
    {"count": 2, "destination": IN, "status": 500, "reason": "broken", "first": "2026-11-27T12:00:01Z", "last": "2026-11-27T12:00:05Z",
     "example": "01ktwo-1-1"},
    {"count": 1, "destination": OTHER, "status": None, "reason": "", "first": "2026-11-27T12:00:03Z", "last": "2026-11-27T12:00:03Z",
     "example": "01kthree-1-1"}]
SHOWN = {"01kone-1-1": """\
id           01kone-1-1
state        waiting
destination  http://hooks.example/in?key=1
signed       yes
header       X-A: (not shown)
header       X-B: from env:TOKEN
sender       \n\
recipient    a@mail.test
created      2026-11-27T12:00:00Z
due          2100-01-01T00:00:00Z
attempts     0
last-status  0
last-error   \n\
size         23

{"subject":"\x1b[31m"}
end
""", "01ktwo-1-1": """\
id           01ktwo-1-1
state        failed
destination  http://hooks.example/in
signed       no
sender       s@x.test
recipient    b@mail.test
created      2026-11-27T12:00:01Z
due          -
attempts     3
last-status  500
last-error   answered 500: broken
attempt      2026-11-27T12:00:02Z status=500 ms=12 answered 500: broken
  answered   why\\x0anot
attempt      2026-11-27T12:00:09Z status=0 ms=30000 timed out
size         2

{}
""", "01kfour-1-1": """\
id           01kfour-1-1
about        01ktwo-1-1
state        waiting
destination  boss@else.test
via          smtp://relay.example:25
sender       \n\
mail-from    <>
recipient    ops@mail.test
created      2026-11-27T12:00:04Z
due          2100-01-01T00:00:01Z
attempts     2
last-status  451
last-error   450 later\\x1b[31m
size         14

Subject: x


"""}
TRIES = [{"at": "2026-11-27T12:00:02Z", "ms": 12, "status": 500, "error": "answered 500: broken", "reply": "why\nnot"},
         {"at": "2026-11-27T12:00:09Z", "ms": 30000, "status": 0, "error": "timed out", "reply": ""}]
ORIGINS = """\
http://hooks.example:80 waiting=1 due=2100-01-01T00:00:00Z failed=2
smtp://relay.example:25 waiting=1 due=2100-01-01T00:00:01Z failed=0
http://other.example:80 waiting=0 due=- failed=1
"""

if __name__ == "__main__":
    unittest.main()
