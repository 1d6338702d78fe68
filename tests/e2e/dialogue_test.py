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
    def play(self, folder, least, config="", rules="rules.lua", source=()):
        mx = self.server({"rules.lua": read(rules)}, read("mxhook.lua") + config)
        folder = os.path.join(DIALOGUES, folder)
        files = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".txt"))
        self.assertGreaterEqual(len(files), least)
        played = subprocess.run([sys.executable, os.path.join(SMTP_TESTS, "play_dialogues.py"), *source,
                                 "127.0.0.1", str(mx.port), *files], capture_output=True, text=True)
        self.assertEqual(played.returncode, 0, played.stdout + played.stderr)

    def test_smtp(self):
        self.play("", 30)

    def test_lmtp(self):
        self.play("lmtp", 4, read("lmtp/mxhook.lua"), "lmtp/rules.lua")

    def test_trusted_clients(self):
        self.play("trusted", 2, read("trusted/mxhook.lua"), source=["--source", "127.0.0.2"])


if __name__ == "__main__":
    unittest.main()
