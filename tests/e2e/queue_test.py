"""mxhook queue: its filters, what it asks and says before it changes anything, and its JSON."""

import json
import os
import pty
import subprocess
import unittest

import harness
from harness import MXHOOK, mail, wait_until

REFUSE = "deliver = { attempts = 1 }"


class Queue(harness.TestCase):
    def setUp(self):
        self.sink = self.receiver(lambda post: 500 if post.path.startswith("/five") else 404)
        self.mx = self.server({"10.lua": """return function(msg)
            return '%s/' .. (msg.envelope.recipient:match('^a') and 'five?key=1' or 'four') end""" % self.sink.url},
                              REFUSE)
        for local in ("a1", "a2", "b1"):
            self.mx.send(mail(message_id=local + "@client.test"), ["%s@example.com" % local],
                         sender="from-%s@client.test" % local)
        wait_until(lambda: len(self.list("--failed")) == 3, "three failures")

    def list(self, *filters):
        run = self.mx.command("queue", "list", *filters)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.splitlines()

    def recipients(self, *filters):
        return sorted(each["recipient"][:2] for each in self.json("list", *filters))

    def json(self, *arguments):
        run = self.mx.command("queue", *arguments, "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)

    def fails(self, *arguments, code=2):
        run = self.mx.command("queue", *arguments)
        self.assertEqual(run.returncode, code, (arguments, run.stdout, run.stderr))
        self.assertEqual(len(self.list()), 3)
        return run.stderr

    def test_filters(self):
        five = self.sink.url + "/five?key=1"
        for filters, expected in (
                (["--destination", five], ["a1", "a2"]),
                (["--destination", self.sink.url + "/five"], []),
                (["--prefix", self.sink.url + "/f"], ["a1", "a2", "b1"]),
                (["--prefix", self.sink.url + "/fo"], ["b1"]),
                (["--host", "127.0.0.1"], ["a1", "a2", "b1"]),
                (["--host", "127.0.0"], []),
                (["--recipient", "A1@example.com"], ["a1"]),
                (["--sender", "from-b1@client.test"], ["b1"]),
                (["--status", "404"], ["b1"]),
                (["--status", "0"], []),
                (["--error", "answered 5"], ["a1", "a2"]),
                (["--since", "1h"], ["a1", "a2", "b1"]),
                (["--until", "1h"], []),
                (["--until", "now", "--since", "yesterday", "--failed"], ["a1", "a2", "b1"]),
                (["--status", "500", "--recipient", "b1@example.com"], [])):
            self.assertEqual(self.recipients(*filters), expected, filters)

    def test_an_empty_value_is_a_mistake_and_no_filter(self):
        for name in ("destination", "prefix", "host", "recipient", "sender", "error"):
            for command, value in (("drop", ""), ("retry", " "), ("list", "\t\n"), ("edit", " ")):
                self.assertIn("--all", self.fails(command, "--" + name, value))

    def test_everything_must_be_said(self):
        self.assertIn("--all", self.fails("drop"))
        self.fails("drop", "--all", "--failed")
        self.fails("drop", "--all", "some-id")
        self.fails("list", "--dry-run")
        self.fails("origins", "--failed")
        self.fails("show")
        for option in (["--since", "soon"], ["--status", "x"], ["--status", "1000"], ["--to", "x"]):
            self.fails("drop", *option)
        self.fails("drop", "no-such-id", code=1)
        self.assertEqual(self.mx.command("queue", "drop", "--all").stdout, "3 dropped\n")
        self.assertEqual(self.list(), [])

    def test_a_dry_run_changes_nothing(self):
        for command in ("drop", "retry"):
            run = self.mx.command("queue", command, "--status", "500", "--dry-run")
            self.assertEqual((run.returncode, len(run.stdout.splitlines())), (0, 2))
        one = self.list()[0].split()[0]
        self.assertIn(one, self.mx.command("queue", "drop", one, "--dry-run").stdout)
        self.assertEqual(len(self.list("--failed")), 3)
        self.assertEqual(len(self.sink.posts), 3)

    def test_a_dry_run_says_what_is_paused_and_leaves_out_e_mail(self):
        mx = self.server({"10.lua": "return function() return { '%s/', 'boss@else.test' } end" % self.sink.url},
                         "forward = { smarthost = 'smtp://127.0.0.1:1' }")
        self.assertEqual(mx.command("destination", "pause", self.sink.url, "--origin").returncode, 0)
        mx.wait_logged("destination-paused")
        mx.send(mail())
        listed = mx.command("queue", "list").stdout
        one, = [line.split()[0] for line in listed.splitlines() if "paused" in line]
        for arguments in (["retry", "--all"], ["drop", one], ["edit", "--all", "--unsigned"], ["edit", one, "--unsigned"]):
            lines = mx.command("queue", *arguments, "--dry-run").stdout.splitlines()
            self.assertEqual([line.split()[1] for line in lines if one in line], ["paused"], arguments)
            self.assertEqual(len(lines), 2 if "retry" in arguments else 1, arguments)
            found = json.loads(mx.command("queue", *arguments, "--dry-run", "--json").stdout)
            self.assertEqual([(each["state"], each["paused"]) for each in found if each["id"] == one], [("waiting", True)])
        self.assertIn("it was paused after 0 attempts", mx.command("queue", "retry", one).stdout)
        self.assertIn("1 of them waits until its destination", mx.command("queue", "retry", one).stderr)

    def on_a_terminal(self, answer, *arguments):
        leader, follower = pty.openpty()
        with os.fdopen(leader, "wb", buffering=0) as terminal:
            process = subprocess.Popen([MXHOOK, "queue", *arguments, "--config", self.mx.config], stdin=follower,
                                       stderr=follower, stdout=subprocess.PIPE, text=True)
            os.close(follower)
            terminal.write(answer)
            out, _ = process.communicate(timeout=harness.PATIENCE)
        return process.returncode, out

    def test_it_asks_on_a_terminal(self):
        self.assertEqual(self.on_a_terminal(b"n\n", "drop", "--all"), (1, ""))
        self.assertEqual(self.on_a_terminal(b"\n", "drop", "--all"), (1, ""))
        self.assertEqual(len(self.list()), 3)
        self.assertEqual(self.on_a_terminal(b"y\n", "drop", "--status", "404"), (0, "1 dropped\n"))
        self.assertEqual(self.on_a_terminal(b"", "drop", "--all", "--yes"), (0, "2 dropped\n"))

    def test_a_change_says_what_it_did(self):
        one = self.list("--status", "404")[0].split()[0]
        line = self.mx.command("queue", "retry", one).stdout
        self.assertIn(one + " due now (it was failed after 1 attempt): b1@example.com", line)
        self.assertEqual(self.json("drop", "--status", "500"), {"action": "drop", "count": 2})

    def test_edit_sends_it_elsewhere_signed_anew(self):
        moved = self.receiver()
        five = self.sink.url + "/five?key=1"
        for arguments, said in ((["--destination", five], "--url"), (["--url", moved.url], "either IDs"),
                                (["--all", "--url", "mail@example.net"], "http"), (["--all", "--url", "http://a@b@c/"], "--url"),
                                (["--all", "--secret", ""], "--unsigned"), (["--all", "--secret", "x", "--unsigned"], "either"),
                                (["--destination", "", "--url", moved.url], "--all")):
            self.assertIn(said, self.fails("edit", *arguments), arguments)
        self.assertIn("edit does", self.fails("drop", "--all", "--url", moved.url))
        self.fails("edit", "no-such-id", "--url", moved.url, code=1)
        run = self.mx.command("queue", "edit", "--destination", five, "--url", moved.url + "/new?key=2", "--secret",
                              "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--dry-run")
        self.assertEqual((run.returncode, len(run.stdout.splitlines())), (0, 2))
        self.assertEqual(self.recipients("--destination", five), ["a1", "a2"])
        self.assertEqual(self.json("edit", "--destination", five, "--url", moved.url + "/new?key=2", "--secret",
                                   "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), {"action": "edit", "count": 2})
        one = self.json("list", "--status", "404")[0]["id"]
        self.assertEqual(self.mx.command("queue", "edit", one, "--url", moved.url + "/one").stdout, "1 edited\n")
        self.assertEqual(len(moved.posts), 0)  # they have failed: they wait to be retried
        self.assertEqual(self.mx.command("queue", "retry", "--all").stdout, "3 due now\n")
        moved.wait_for(3)
        self.assertEqual(sorted((post.path, "webhook-signature" in post.headers) for post in moved.posts),
                         [("/new?key=2", True), ("/new?key=2", True), ("/one", False)])
        wait_until(lambda: self.list() == [], "an empty queue")

    def test_edit_moves_what_waits(self):
        gone, moved = self.receiver(), self.receiver()
        gone.close()
        mx = self.server({"10.lua": "return function() return { url = '%s/', secret = 'abc' } end" % gone.url},
                         'deliver = { unreachable_schedule = { "1h" } }')
        mx.send(mail())
        mx.wait_logged("retry")
        wait_until(lambda: '"error":"' in mx.command("queue", "list", "--json").stdout, "the end of the attempt")
        self.assertEqual(mx.command("queue", "edit", "--all", "--url", moved.url, "--unsigned").stdout, "1 edited\n")
        self.assertEqual(mx.command("queue", "retry", "--all").stdout, "1 due now\n")
        moved.wait_for(1)
        self.assertNotIn("webhook-signature", moved.posts[0].headers)

    def test_retry_says_what_is_held_and_probes_at_once(self):
        status = [500]
        sink = self.receiver(lambda post: status[0])
        mx = self.server({"10.lua": "return function() return '%s/held' end" % sink.url},
                         'deliver = { schedule = { "1h", "1h" }, breaker_failures = 2, breaker_pause = "1h", '
                         'breaker_pause_max = "1h" }')
        mx.send(mail(message_id="one@client.test"))
        mx.send(mail(message_id="two@client.test"))
        mx.wait_logged("destination-open")
        wait_until(lambda: "held-urls=1" in mx.command("queue", "origins").stdout, "the hold in the spool")
        status[0] = 200
        run = mx.command("queue", "retry", "--all")
        self.assertEqual(run.stdout, "2 due now\n")
        self.assertRegex(run.stderr, r"2 of them go to http://127.0.0.1:\d+/held, held until \S+ after 2 failures .*--now")
        self.assertEqual(len(sink.posts), 2)
        run = mx.command("queue", "retry", "--all", "--now")
        self.assertIn("probed at once", run.stderr)
        sink.wait_for(4)
        mx.wait_logged("destination-closed")
        self.assertEqual(mx.command("queue", "drop", "--all", "--now").returncode, 2)

    def test_what_flow_control_holds_is_probed_at_once(self):
        for held in ((429, {"Retry-After": "600"}), (503, {"Retry-After": "600"}), (429, {"RateLimit-Reset": "600"})):
            with self.subTest(held):
                answer = [held]
                sink = self.receiver(lambda post, answer=answer: answer[0])
                mx = self.server(self.to(sink, "/held"))
                mx.send(mail())
                wait_until(lambda mx=mx: "held-urls=1" in mx.command("queue", "origins").stdout, "the hold in the spool")
                self.assertRegex(mx.command("queue", "retry", "--all").stderr, r"held until \S+ as it asked .*--now")
                self.assertEqual(len(sink.posts), 1)
                answer[0] = 200
                self.assertIn("probed at once", mx.command("queue", "retry", "--all", "--now").stderr)
                sink.wait_for(2)
                mx.wait_logged("delivered")

    def test_failed_ones_show_no_due_date(self):
        self.assertTrue(all(line.split()[3] == "-" for line in self.list("--failed")))
        self.assertTrue(all(each["due"] is None for each in self.json("list", "--failed")))

    def test_failures_by_destination_and_reason(self):
        first, second = self.json("failures")
        self.assertEqual((first["count"], first["status"], first["destination"]), (2, 500, self.sink.url + "/five"))
        self.assertEqual((second["count"], second["status"]), (1, 404))
        self.assertIn(first["example"], "".join(self.list("--status", "500")))
        lines = self.mx.command("queue", "failures").stdout.splitlines()
        self.assertTrue(lines[0].startswith("2 %s/five 500 " % self.sink.url), lines)
        self.assertEqual(len(self.json("failures", "--status", "404")), 1)

    def test_show_as_json(self):
        one = self.json("list", "--status", "404")[0]
        shown = self.json("show", one["id"])
        self.assertEqual({key: shown[key] for key in one}, one)
        self.assertEqual([each["status"] for each in shown["tries"]], [404])
        self.assertEqual((one["state"], one["attempts"], one["status"]), ("failed", 1, 404))

    def test_origins_as_json(self):
        one, = wait_until(lambda: [each for each in self.json("origins") if each["last_at"]], "the history has the attempts")
        self.assertEqual((one["origin"], one["waiting"], one["failed"], one["due"]), (self.sink.url, 0, 3, None))
        self.assertIn(one["last_status"], (404, 500))
        self.assertTrue(one["last_error"].startswith("answered %d" % one["last_status"]), one)
        self.assertGreaterEqual(one["latency_ms"], 0)
        line, = self.mx.command("queue", "origins").stdout.splitlines()
        self.assertRegex(line, r"^%s waiting=0 due=- failed=3 last=20\S+Z status=(404|500) latency=\d+ms error=answered " % self.sink.url)


class Texts(harness.TestCase):
    def test_what_acts_on_a_terminal_is_escaped(self):
        reply = "Größe \u202egnp.exe \x1b[31m \u009b31m".encode()
        sink = self.receiver(lambda post: (500, {}, reply))
        mx = self.server({"10.lua": "return function() return '%s' end" % sink.url}, REFUSE)
        mx.send(mail())
        line = wait_until(lambda: mx.command("queue", "list", "--failed").stdout, "a failure")
        logged, = mx.wait_logged("undelivered")
        for text in (line, logged, mx.command("queue", "failures").stdout):
            self.assertIn("Größe", text)
            self.assertIn("\\xe2\\x80\\xaegnp.exe", text)
            for raw in "\u202e\x1b\u009b":
                self.assertNotIn(raw, text)


if __name__ == "__main__":
    unittest.main()
