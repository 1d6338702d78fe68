"""admin_texts_test.py - what the admin room says of the spool, whole: of one whose every row is known, and that nothing leaves."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))

import spool_rows  # noqa: E402
from admin import AdminCase  # noqa: E402
from harness import MXHOOK, Server, wait_until  # noqa: E402
from spool_rows import IN, LATER, OTHER  # noqa: E402

RULES = "return alias { ['x@example.com'] = 'http://hooks.example/in' }"
NOTHING = {"2xx": 0, "3xx": 0, "4xx": 0, "429": 0, "5xx": 0, "timeout": 0, "connect": 0, "tls": 0, "dns": 0, "other": 0}


def when(ms):
    return ms and time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(ms // 1000))


class Texts(AdminCase):
    maxDiff = None

    def setUp(self):
        self.noon = int(time.time() - 600) * 1000
        self.server = Server({"10.lua": RULES}, start=False)
        self.addCleanup(self.server.close)
        self.socket = self.server.folder + "/admin.sock"
        self.server.append('admin = { listen = { "unix:%s" } }\n' % self.socket)
        os.mkdir(self.server.folder + "/none")
        self.server.write("none.lua", 'domains = { "example.com" } spool = { directory = "none" }')
        subprocess.run([MXHOOK, "queue", "export", "--to", self.server.folder + "/spool", "--config", self.server.folder + "/none.lua"],
                       check=False, stdout=subprocess.DEVNULL)
        self.db = sqlite3.connect(self.server.folder + "/spool/spool.db", isolation_level=None, timeout=30)
        self.addCleanup(self.db.close)
        self.keys = spool_rows.keys(self.db, self.server.command)
        spool_rows.fill(self.db, self.keys, self.noon)
        self.server.start()
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))
        spool_rows.hold(self.db, self.keys, IN, True, LATER, 2)
        spool_rows.hold(self.db, self.keys, None, False, LATER + 5000, 4)
        spool_rows.pause(self.db, self.keys, OTHER, False, self.noon, "why")
        self.server.wait_logged("destination-paused")

    def rows(self):
        """As /api/v1/queue has them."""
        names = ("id", "state", "sender", "recipient", "destination", "origin", "about", "attempts", "status", "error", "created", "due")
        hooks, noon = "http://hooks.example:80", self.noon
        return [dict(zip(names, (*row[:-2], when(row[-2]), when(row[-1])))) for row in (
            ("01kone-1-1", "waiting", "", "a@mail.test", IN, hooks, None, 0, 0, None, noon, LATER),
            ("01ktwo-1-1", "failed", "s@x.test", "b@mail.test", IN, hooks, None, 3, 500, "answered 500: broken", noon + 1000, None),
            ("01ktwo-1-2", "failed", "s@x.test", "c@mail.test", IN, hooks, None, 1, 500, "answered 500: broken", noon + 5000, None),
            ("01kthree-1-1", "failed", "s@x.test", "d@mail.test", OTHER, "http://other.example:80", None, 1, 0, None, noon + 3000, None),
            ("01kfour-1-1", "waiting", "", "ops@mail.test", "boss@else.test", "smtp://relay.example:25", "01ktwo-1-1", 2, 451,
             "450 later\x1b[31m", noon + 4000, LATER + 1000))]

    def test_what_is_there(self):
        for look in (self.look_at_queue, self.look_at_setup, self.look_at_bodies, self.look_at_destinations, self.look_at_status,
                     self.look_at_delivery):
            with self.subTest(look.__name__):
                look()

    def test_what_is_changed(self):
        self.change_pauses()
        self.change_failures_and_jobs()

    def queue(self, query):
        return self.json("/api/v1/queue?" + query)

    def ids(self, query):
        return [each["id"] for each in self.queue(query)["deliveries"]]

    def refused(self, path, status, said, body=None):
        got, text = self.ask(path, body)
        self.assertEqual((got, json.loads(text)), (status, {"error": said}), (path, body))

    def look_at_queue(self):
        rows = self.rows()
        self.assertEqual(self.queue(""), {"deliveries": rows, "next": None})
        self.assertEqual(self.queue("limit=5"), {"deliveries": rows, "next": None})
        self.assertEqual(self.queue("limit=2"), {"deliveries": rows[:2], "next": 2})
        self.assertEqual(self.queue("limit=2&cursor=2"), {"deliveries": rows[2:4], "next": 4})
        self.assertEqual(self.queue("limit=2&cursor=4"), {"deliveries": rows[4:], "next": None})
        self.assertEqual(self.queue("cursor=5"), {"deliveries": [], "next": None})
        ids = [row["id"] for row in rows]
        for query, expected in (("state=failed", ids[1:4]), ("status=0", [ids[0], ids[3]]), ("status=500", ids[1:3]), ("status=999", []),
                                ("destination=" + OTHER, ids[3:4]), ("prefix=http%3A%2F%2Fh", ids[1:3]), ("host=else.test", ids[4:]),
                                ("recipient=b%40mail.test", ids[1:2]), ("sender=s%40x.test", ids[1:4]), ("error=BROKEN", ids[1:3]),
                                ("since=%d" % (self.noon + 3000), ids[2:]), ("until=%d" % (self.noon + 3000), ids[:2]), ("limit=500", ids)):
            self.assertEqual(self.ids(query), expected, query)
        for query in ("status=-1", "status=1000", "status=x", "limit=0", "limit=501", "since=0", "until=0", "cursor=0", "limit=1x"):
            self.assertEqual(self.ask("/api/v1/queue?" + query)[0], 400, query)
        self.refused("/api/v1/queue?state=waiting", 400, "state: failed, or not at all")

    def look_at_delivery(self):
        one, two = self.rows()[:2]
        self.assertEqual(self.json("/api/v1/delivery?id=01kone-1-1"), {**one, "size": 23, "made": []})
        self.assertEqual(self.json("/api/v1/delivery?id=01ktwo-1-1"), {**two, "size": 2, "made": [
            {"time": when(self.noon + 2000), "ms": 12, "status": 500, "error": "answered 500: broken", "reply": "why\nnot"},
            {"time": when(self.noon + 9000), "ms": 30000, "status": 0, "error": "timed out", "reply": ""}]})
        self.assertEqual(self.ask("/api/v1/delivery/payload?id=01kone-1-1"), (200, '{"subject":"\x1b[31m"}\nend'))
        self.assertEqual(self.headers["Content-Disposition"], 'attachment; filename="payload.json"')
        self.server.wait_logged("admin", "action=read", "01kone-1-1")
        for path in ("/api/v1/delivery", "/api/v1/delivery/payload"):
            self.refused(path, 400, "id: of a delivery")
            self.refused(path + "?id=", 400, "id: of a delivery")
            self.refused(path + "?id=nobody", 404, "nobody: no such delivery")
        self.db.execute("DELETE FROM payload WHERE row = 4")
        self.refused("/api/v1/delivery?id=01kthree-1-1", 503, "01kthree-1-1: its payload is missing")

    def origin(self, name, **facts):
        return {"origin": name, "paused": False, "waiting": 0, "oldest": None, "next_due": None, "held_until": None, "held_urls": 0,
                "failures": 0, "attempt_ms": 0, "in_flight": 0, "attempts": NOTHING, "last_at": None, "last_status": None,
                "last_error": None, "latency_ms": None, **facts}

    def look_at_destinations(self):
        hooks = self.origin("http://hooks.example:80", waiting=1, oldest=when(self.noon), next_due=when(LATER), held_urls=1)
        relay = self.origin("http://hooks.example:80", waiting=1, oldest=when(self.noon + 4000), next_due=when(LATER + 1000), failures=4,
                            held_until=when(LATER + 5000))  # the hold has that name
        found = self.json("/api/v1/destinations")
        self.assertEqual(sorted(found["destinations"], key=lambda each: each["oldest"]), [hooks, relay])
        self.assertEqual(found["paused"], [self.paused()])
        self.db.execute("UPDATE held SET until = 5 WHERE lane = 0")  # it is over
        self.assertEqual({each["held_until"] for each in self.json("/api/v1/destinations")["destinations"]}, {None})
        self.db.execute("UPDATE held SET until = ? WHERE lane = 0", (LATER + 5000,))

    def paused(self, **facts):
        return {"destination": "http://other.example", "scope": "origin", "since": when(self.noon), "reason": "why", "waiting": 0, **facts}

    def look_at_status(self):
        status = self.json("/api/v1/status")
        self.assertEqual({key: status[key] for key in ("hostname", "ready", "waiting", "failed", "oldest_waiting", "rules", "rule_errors",
                                                       "accepted", "deferred", "rejected", "attempts", "in_flight", "workers_busy",
                                                       "failing_rules", "history")},
                         {"hostname": "mx.test", "ready": True, "waiting": 2, "failed": 3, "oldest_waiting": when(self.noon), "rules": 1,
                          "rule_errors": 0, "accepted": 0, "deferred": 0, "rejected": 0, "attempts": 0, "in_flight": 0,
                          "workers_busy": 0, "failing_rules": [], "history": True})
        held = {"origin": "http://hooks.example:80", "urls": 1, "scope": "url", "waiting": 1, "failures": 2, "until": when(LATER)}
        whole = {"origin": "http://hooks.example:80", "urls": 0, "scope": "origin", "waiting": 1, "failures": 4, "until": when(LATER + 5000)}
        self.assertEqual(sorted(status["held"], key=lambda each: each["until"]), [held, whole])
        self.assertEqual(status["paused"], [self.paused()])
        self.assertEqual((status["reload"]["ok"], status["reload"]["text"]), (True, None))
        self.assertLessEqual(when(self.noon), status["started"])
        self.assertLessEqual(status["started"], status["now"])
        # Two URLs of one origin: the first of them to be probed, and how often one failed.
        self.db.execute("INSERT INTO held VALUES (?, 5, 'x', ?, 7)", (self.keys[IN][0], LATER - 1000))
        self.db.execute("DELETE FROM held WHERE lane = 0")
        self.assertEqual(self.json("/api/v1/status")["held"], [{**held, "urls": 2, "failures": 7, "until": when(LATER - 1000)}])
        self.db.execute("UPDATE held SET until = 1")
        self.assertEqual(self.json("/api/v1/status")["held"], [])

    def change_pauses(self):
        url = "/api/v1/destinations/"
        self.refused(url + "pause", 400, "url: the destination, or the origin as /api/v1/destinations has it", {})
        self.refused(url + "pause", 400, 'scope: "url", or "origin" for all of its scheme, host and port', {"url": IN, "scope": "all"})
        self.refused(url + "resume", 404, "http://hooks.example:80/in: is not paused", {"url": IN})
        self.assertEqual(self.ask(url + "pause", {"url": "nothing"})[0], 400)
        done = self.json(url + "pause", {"url": IN, "reason": "r"})
        self.assertEqual({**done, "since": 0},
                         {"destination": "http://hooks.example:80/in", "scope": "url", "since": 0, "reason": "r", "waiting": 1})
        done = self.json(url + "pause", {"url": IN, "scope": "origin"})
        self.assertEqual({**done, "since": 0},
                         {"destination": "http://hooks.example:80", "scope": "origin", "since": 0, "reason": None, "waiting": 1})
        self.assertEqual(len(self.json("/api/v1/destinations")["paused"]), 3)
        self.server.wait_logged("admin", "action=pause", "what=http://hooks.example:80/in")
        self.assertEqual(self.json(url + "resume", {"url": IN, "scope": "url"})["destination"], "http://hooks.example:80/in")
        self.server.wait_logged("admin", "action=resume")
        self.assertEqual(len(self.json("/api/v1/destinations")["paused"]), 2)

    def group(self, number, destination, status, reason, count, first, last, example):
        return {"group": number, "destination": destination, "status": status, "reason": reason, "count": count,
                "first": when(self.noon + first), "last": when(self.noon + last), "example": example}

    def change_failures_and_jobs(self):
        found = self.json("/api/v1/failures")
        self.assertEqual(found, {"snapshot": found["snapshot"], "count": 3, "cut": False, "groups": [
            self.group(0, IN, 500, "broken", 2, 1000, 5000, "01ktwo-1-1"),
            self.group(1, OTHER, 0, "", 1, 3000, 3000, "01kthree-1-1")]})
        number = found["snapshot"]
        gone = "no such snapshot any more, or nothing in it: look again"
        for body in ({"snapshot": number, "group": 2}, {"snapshot": number + 1, "group": 0}, {"snapshot": number, "group": -1},
                     {"snapshot": number}, {"group": 0}, {"ids": []}, {}):
            self.refused("/api/v1/queue/drop", 409, gone, body)
        self.assertEqual(self.json("/api/v1/jobs"), {"jobs": []})
        job = self.json("/api/v1/queue/drop", {"snapshot": number, "group": 0})
        self.assertIn(job.pop("begins_in_ms"), range(1, 15001))
        expected = {"job": job["job"], "action": "drop", "what": IN + ": broken", "who": "unix", "count": 2, "done": 0, "gone": 0,
                    "cancelled": False, "ended": False}
        self.assertEqual(job, expected)
        self.refused("/api/v1/jobs/cancel", 409, "there is no such job, or it has ended", {"job": job["job"] + 1})
        self.refused("/api/v1/jobs/cancel", 409, "there is no such job, or it has ended", {})
        cancelled = self.json("/api/v1/jobs/cancel", {"job": job["job"]})
        cancelled.pop("begins_in_ms")
        self.assertEqual(cancelled, {**expected, "cancelled": True, "ended": True})
        self.refused("/api/v1/jobs/cancel", 409, "there is no such job, or it has ended", {"job": job["job"]})
        self.server.wait_logged("admin", "action=cancel", "count=2")
        retried = self.json("/api/v1/queue/retry", {"ids": ["01ktwo-1-1", "nobody", "01ktwo-1-2"]})
        self.assertEqual((retried["action"], retried["what"], retried["count"]), ("retry", "01ktwo-1-1 and others", 3))
        ended = wait_until(lambda: [each for each in self.json("/api/v1/jobs")["jobs"] if each["job"] == retried["job"] and each["ended"]],
                           "the retry")[0]
        self.assertEqual((ended["done"], ended["gone"], ended["begins_in_ms"], ended["cancelled"]), (3, 1, 0, False))
        self.assertEqual(self.ids("state=failed"), ["01kthree-1-1"])
        for _ in range(3):
            self.json("/api/v1/failures")
        self.assertEqual(self.json("/api/v1/queue/drop", {"snapshot": number, "group": 1})["what"], OTHER + ": ")
        self.json("/api/v1/failures")  # the fifth: the first is forgotten
        self.refused("/api/v1/queue/drop", 409, gone, {"snapshot": number, "group": 1})

    def look_at_bodies(self):
        for body in ("", "[]x", "1", '"x"', "[" * 9 + "]" * 9, "{" + '"a":{' * 8 + "}" * 9):
            self.refused("/api/v1/test", 400, "the body is not a JSON object", body)
        for body in ("[]", "{}", '{"a":[[[[[[[]]]]]]]}', '{"recipient":null}'):
            self.refused("/api/v1/test", 400, "recipient: an address that your rules serve", body)
        for name in ("client_ip", "file", "id", "message", "password", "reason", "recipient", "scope", "sender", "text", "url", "user"):
            for value in (1, {}, True):
                self.refused("/api/v1/test", 400, name + ": a text is expected", {name: value})
            nul = self.ask("/api/v1/test", {name: "a\0b"})[1]
            self.assertEqual("a text is expected" in nul, name not in ("message", "text"), name)
        for address in ("x", "", "a b@c", "<x@y>", "x@y\r\n", "x@" + "y" * 254):
            self.refused("/api/v1/test", 400, "recipient: an address that your rules serve", {"recipient": address})

    def look_at_setup(self):
        steps = {each["name"]: each for each in self.json("/api/v1/setup")["steps"]}
        self.assertEqual({name: each["ok"] for name, each in steps.items()},
                         {"Domains": False, "Rules": True, "Port 25": False, "Certificate": False, "Host name": True})
        self.assertEqual({name: each["now"] for name, each in steps.items()},
                         {"Domains": "example.com", "Rules": "1 rule in %s/rules.d" % self.server.folder,
                          "Port 25": steps["Port 25"]["now"], "Certificate": "none: mail comes in clear", "Host name": "mx.test"})
        self.assertEqual([name for name, each in steps.items() if each["how"] is None], ["Rules", "Host name"])
        self.assertEqual(self.json("/api/v1/setup")["dns"], ["example.com. MX 10 mx.test.", "the PTR of this machine's address: mx.test."])


if __name__ == "__main__":
    unittest.main()
