"""The dialogues of tests/smtp, played against the real server."""

import os
import subprocess
import sys
import unittest

import harness

SMTP_TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "smtp")
DIALOGUES = os.path.join(SMTP_TESTS, "dialogues")


def read(name):
    with open(os.path.join(DIALOGUES, name), encoding="utf-8") as file:
        return file.read()


class Dialogues(harness.TestCase):
    def test_all(self):
        mx = self.server({"rules.lua": read("rules.lua")}, read("mxhook.lua"))
        files = sorted(os.path.join(DIALOGUES, name) for name in os.listdir(DIALOGUES)
                       if name.endswith(".txt"))
        self.assertGreater(len(files), 20)
        played = subprocess.run([sys.executable, os.path.join(SMTP_TESTS, "play_dialogues.py"),
                                 "127.0.0.1", str(mx.port), *files], capture_output=True, text=True)
        self.assertEqual(played.returncode, 0, played.stdout + played.stderr)


if __name__ == "__main__":
    unittest.main()
