"""mxhook destination: what is paused waits, however it comes and whatever starts anew, and is shown everywhere."""

import json
import unittest

import harness
from harness import mail, wait_until

RULES = """return function(msg)
    return '%s/' .. (msg.envelope.recipient:match('^a') and 'a?key=1' or 'b') end"""
FAST = 'deliver = { schedule = { "100ms", "100ms" } }\n'


class Destination(harness.TestCase):
    def setUp(self):
        self.sink = self.receiver()
        self.mx = self.server({"10.lua": RULES % self.sink.url}, FAST)

    def run_ok(self, *arguments):
        run = self.mx.command(*arguments)
        self.assertEqual(run.returncode, 0, (arguments, run.stderr))
        return run.stdout

    def json(self, *arguments):
        return json.loads(self.run_ok(*arguments, "--json"))

    def send(self, *locals_):
        for local in locals_:
            self.mx.send(mail(message_id=local + "@client.test"), [local + "@example.com"])

    def pause(self, *arguments):
        self.run_ok("destination", "pause", *arguments)
        self.mx.wait_logged("destination-paused")

    def test_new_mail_waits_and_costs_no_attempt(self):
        self.pause(self.sink.url + "/a", "--reason", "moves to a new host")
        self.send("a1", "a2", "b1")
        self.sink.wait_for(1)
        wait_until(lambda: len(self.json("queue", "list")) == 2, "the end of b1's delivery in the spool")
        listed = {each["recipient"][:2]: each for each in self.json("queue", "list")}
        self.assertEqual(sorted(listed), ["a1", "a2"])
        self.assertEqual([(each["paused"], each["attempts"], each["state"]) for each in listed.values()],
                         [(True, 0, "waiting")] * 2)
        self.assertEqual([line.split()[1] for line in self.run_ok("queue", "list").splitlines()], ["paused"] * 2)
        self.assertIn("moves to a new host", self.run_ok("queue", "show", listed["a1"]["id"]))
        origin, = self.json("queue", "origins")
        self.assertEqual((origin["paused_urls"], origin["paused_since"]), (1, None))
        paused, = self.json("destination", "list")
        self.assertEqual({key: paused[key] for key in ("destination", "scope", "reason", "waiting")},
                         {"destination": self.sink.url + "/a", "scope": "url", "reason": "moves to a new host", "waiting": 2})
        self.assertIn("resumed " + self.sink.url + "/a", self.run_ok("destination", "resume", self.sink.url + "/a"))
        self.sink.wait_for(3)
        wait_until(lambda: self.json("queue", "list") == [], "an empty queue")
        self.mx.wait_logged("destination-resumed")

    def test_it_is_kept_over_restarts(self):
        self.pause(self.sink.url, "--origin")
        self.send("a1")
        self.mx.kill()
        self.mx.start()
        self.mx.wait_logged("destination-paused")
        self.send("b1")
        self.assertEqual(len(self.json("queue", "list")), 2)
        origin, = self.json("queue", "origins")
        self.assertIsNotNone(origin["paused_since"])
        self.assertEqual(self.sink.posts, [])
        self.assertEqual(self.mx.stop(), 0)
        self.run_ok("destination", "resume", self.sink.url + "/any", "--origin")  # also while nothing runs
        self.mx.start()
        self.sink.wait_for(2)

    def test_what_fails_meanwhile_is_not_tried_again(self):
        statuses = iter([503])
        self.sink = self.receiver(lambda post: next(statuses, 200))
        self.mx = self.server({"10.lua": RULES % self.sink.url}, 'deliver = { schedule = { "1h", "1h" } }\n')
        self.send("a1")
        self.sink.wait_for(1)
        self.pause(self.sink.url + "/a")
        wait_until(lambda: self.json("queue", "list")[0]["attempts"] == 1, "the end of the first attempt")
        self.run_ok("queue", "retry", "--all")  # does not outdo it
        self.send("b1")  # goes on
        self.sink.wait_for(2)
        self.assertEqual(self.sink.posts[1].path, "/b")
        self.run_ok("destination", "resume", self.sink.url + "/a")
        self.sink.wait_for(3)

    def test_mistakes_are_said(self):
        for arguments, code, said in ((["pause"], 2, "one URL"), (["pause", ""], 2, "empty"), (["list", "x"], 2, "no URL"),
                                      (["resume", "https://a.example/", "--reason", "x"], 2, "--reason"),
                                      (["list", "--origin"], 2, "--origin"), (["stop", "x"], 2, "no command 'stop'"),
                                      (["pause", "boss@example.net"], 1, "mx:"), (["pause", "a.example/x"], 1, "URL"),
                                      (["pause", "https://a.example/", "--reason", "x" * 256], 1, "255"),
                                      (["resume", "https://a.example/"], 1, "not paused")):
            run = self.mx.command("destination", *arguments)
            self.assertEqual(run.returncode, code, (arguments, run.stderr))
            self.assertIn(said, run.stderr, arguments)
        self.assertEqual(self.json("destination", "list"), [])


if __name__ == "__main__":
    unittest.main()
