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
            for command in ("drop", "retry", "list"):
                self.assertIn("--all", self.fails(command, "--" + name, ""))

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
        self.assertEqual(self.json("origins"), [])


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
