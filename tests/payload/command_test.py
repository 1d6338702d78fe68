#!/usr/bin/env python3
"""The sub-command itself: where it reads, what it says, and its exit codes."""

import json
import os
import subprocess
import unittest

from payload import HERE, MXHOOK, check

MAIL = os.path.join(HERE, "mails", "html-only.eml")


def run(*arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE):
    return subprocess.run([MXHOOK, "payload", *arguments], stdin=stdin, stdout=stdout,
                          stderr=subprocess.PIPE, timeout=60, check=False)


class Command(unittest.TestCase):
    def test_a_file_or_standard_input(self):
        from_file = run(MAIL)
        with open(MAIL, "rb") as file:
            from_input = run("-", stdin=file)
        self.assertEqual((from_file.returncode, from_input.returncode), (0, 0))
        self.assertEqual(from_file.stdout, from_input.stdout)
        payload = check(from_file.stdout)
        self.assertEqual(payload["return-path"]["email"], payload["from"]["email"])
        self.assertEqual(payload["headers"]["Delivered-To"], payload["to"][0]["email"])

    def test_options(self):
        payload = json.loads(run("--sender", "", "--recipient", "r@example.com", "--hostname",
                                 "mx.example.com", MAIL).stdout)
        self.assertEqual(payload["return-path"], {"name": None, "email": ""})
        self.assertEqual(payload["headers"]["Delivered-To"], "r@example.com")
        self.assertEqual(payload["headers"]["Authentication-Results"], ["mx.example.com; none"])

    def test_help(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"Usage: mxhook payload", done.stdout)

    def test_wrong_usage(self):
        for arguments in ([], [MAIL, MAIL], ["--nonsense", MAIL], ["--sender"]):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, b""), arguments)
            self.assertTrue(done.stderr)

    def test_no_such_file(self):
        done = run("/nonexistent")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertEqual(done.stderr, b"mxhook payload: /nonexistent: No such file or directory\n")

    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            done = run(MAIL, stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left on device", done.stderr)


if __name__ == "__main__":
    unittest.main()
