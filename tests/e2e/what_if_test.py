"""mxhook route --from history --against RULES: what other rules would have done with what was received."""

import os
import unittest

import harness


class WhatIf(harness.TestCase):
    def setUp(self):
        self.sink = self.receiver()
        self.mx = self.server({"10.lua": "return function(msg) return '%s/old' end" % self.sink.url},
                              'history = { bodies = "all" }\n')
        for number in range(3):
            self.mx.send(harness.mail(subject="Subject %d" % number, message_id="%d@a" % number),
                         ["a@example.com", "b@example.com"], sender="s%d@client.test" % number)
        self.sink.wait_for(6)
        harness.wait_until(lambda: self.mx.command("history", "list").stdout.count("\n") == 3, "the history")

    def against(self, rule, *arguments):
        other = self.mx.folder + "/new.d"
        os.makedirs(other, exist_ok=True)
        self.mx.write("new.d/10.lua", rule)
        return self.mx.command("route", "--from", "history", "--against", other, *arguments)

    def test_only_what_differs_is_told(self):
        done = self.against("return function(msg) return '%s/old' end" % self.sink.url)
        self.assertEqual((done.returncode, done.stdout), (0, "3 messages, 6 outcomes, 0 differ\n"), done.stderr)
        done = self.against("""return function(msg)
            if msg.envelope.sender == 's1@client.test' and msg.envelope.recipient:find('^b') then return route.reject('No') end
            return '%s/old' end""" % self.sink.url)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stdout.endswith("3 messages, 6 outcomes, 1 differ\n"), done.stdout)
        self.assertIn("b@example.com", done.stdout)
        self.assertIn("+ 550 5.7.1 No", done.stdout)
        self.assertEqual(len(self.sink.posts), 6, "nothing is sent")

    def test_filters(self):
        rule = "return function(msg) return 'https://new.example' end"
        for arguments, said in ((("--sender", "s2@client.test"), "1 messages, 2 outcomes, 2 differ"),
                                (("--rcpt", "nobody@example.com"), "0 messages, 0 outcomes, 0 differ"),
                                (("--since", "1h"), "3 messages, 6 outcomes, 6 differ"),
                                (("--until", "2020-01-01"), "0 messages, 0 outcomes, 0 differ"),
                                (("--limit", "2"), "2 messages, 4 outcomes, 4 differ")):
            with self.subTest(arguments):
                self.assertEqual(self.against(rule, *arguments).stdout.splitlines()[-1], said)

    def test_what_does_not_go_together(self):
        for arguments in (("--since", "1h", "--from", "x", "--against", "y"), ("--from", "history"),
                          ("--from", "history", "--against", "y", "--rules", "z")):
            self.assertEqual(self.mx.command("route", *arguments).returncode, 2, arguments)

    def test_what_was_not_kept_is_counted(self):
        sink = self.receiver()
        mx = self.server({"10.lua": "return function(msg) return '%s' end" % sink.url})
        mx.send(harness.mail())
        sink.wait_for(1)
        harness.wait_until(lambda: mx.command("history", "list").stdout, "the history")
        done = mx.command("route", "--from", "history", "--against", mx.folder + "/rules.d")
        self.assertEqual((done.returncode, done.stdout.splitlines()),
                         (0, ["0 messages, 0 outcomes, 0 differ", '1 messages of the history were not kept (history.bodies = "all")']))


if __name__ == "__main__":
    unittest.main()
