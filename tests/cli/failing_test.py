"""Every sub-command where what it reads is missing or wrong: it says so, in a line that names the file, and exits 1."""

import os
import pathlib
import subprocess
import tempfile
import unittest

MXHOOK = os.environ["MXHOOK"]
ID = "01m8dwry9yv61zer-1"
# With a configuration; {eml} is a message.
COMMANDS = ["run", "check", "health", "history list", "history show " + ID,
            "history story " + ID, "history message " + ID, "history payload " + ID, "history replay --id " + ID,
            "queue list", "queue failures", "queue origins", "queue show " + ID, "queue retry " + ID, "queue drop " + ID,
            "queue edit " + ID + " --url http://a.example/ --yes", "queue export --to {to}",
            "destination pause http://a.example/", "destination resume http://a.example/", "destination list", "store migrate",
            "store move --from {to}", "nodes", "reload", "route --rcpt a@example.com {eml}", "test",
            "send a@example.com", "status"]
WITH_RULES = ["run", "check", "route --rcpt a@example.com {eml}", "test", "send a@example.com",
              "send a@example.com --eml {eml}"]
WITH_A_MESSAGE = ["route --rcpt a@example.com {missing}", "send a@example.com --eml {missing}"]


class Failing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "rules.d").mkdir()
        (self.folder / "a.eml").write_bytes(b"Subject: a\r\n\r\nb\r\n")
        self.config = self.folder / "mxhook.lua"

    def run_it(self, command):
        words = command.format(eml=self.folder / "a.eml", to=self.folder / "new", missing=self.folder / "missing.eml").split()
        return subprocess.run([MXHOOK, *words, "--config", self.config], capture_output=True, text=True, timeout=60)

    def fails(self, commands, *parts):
        for command in commands:
            with self.subTest(command=command):
                done = self.run_it(command)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                for part in parts:
                    self.assertIn(part, done.stdout + done.stderr)

    def test_a_configuration_that_is_not_there(self):
        self.fails(COMMANDS, str(self.config), "No such file")

    def test_a_configuration_with_a_mistake(self):
        self.config.write_text('domains = { "a.example" }\nsmtp = { max_size = "x" }\n')
        self.fails(COMMANDS, "mxhook.lua:2: ")

    def test_rules_with_a_mistake(self):
        self.config.write_text('domains = { "a.example" }\nspool = { directory = "spool" }\nlisten = { "127.0.0.1:0" }\n')
        (self.folder / "rules.d/10.lua").write_text("return\n  alias 7\n")
        self.fails(WITH_RULES, "10.lua:2")

    def test_a_message_that_is_not_there(self):
        self.config.write_text('domains = { "example.com" }\nspool = { directory = "spool" }\n')
        (self.folder / "rules.d/10.lua").write_text("return function() return 'http://127.0.0.1:9/' end\n")
        self.fails(WITH_A_MESSAGE, "missing.eml", "No such file")
        done = subprocess.run([MXHOOK, "payload", self.folder / "missing.eml"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("missing.eml: No such file", done.stderr)

    def test_what_needs_no_configuration(self):
        for arguments, code, why in ((["log", ID, "missing"], 1, "mxhook log: missing: No such file"),
                                     (["log", ID, "."], 1, "mxhook log: .: Is a directory"),
                                     (["log", "-f", ID, "."], 1, "mxhook log: .: Is a directory"),
                                     (["log", "x", "y"], 2, "one FILE is expected, not 'x' and 'y'"),
                                     (["payload", "."], 1, "mxhook payload: .: Is a directory"),
                                     (["import", "improvmx", "missing"], 1, "mxhook import: missing: No such file"),
                                     (["import", "improvmx", "."], 1, "mxhook import: .: Is a directory"),
                                     (["sink", "--address", "x"], 2, "mxhook sink: --address 'x': an IP address was expected"),
                                     (["run", "--no"], 2, "mxhook run: unrecognized option '--no'"),
                                     (["run", "--confg", "x"], 2, "\nDid you mean '--config'? Try: mxhook run --help"),
                                     (["queu"], 2, "mxhook: no command 'queu'\nDid you mean 'queue'? Try: mxhook --help"),
                                     (["zzzzzz"], 2, "mxhook: no command 'zzzzzz'\nTry: mxhook --help"),
                                     (["queue", "lsit"], 2, "mxhook queue: no command 'lsit'\nDid you mean 'list'? Try: mxhook queue"),
                                     (["queue", "exprot"], 2, "Did you mean 'export'?"),
                                     (["queue", "export"], 2, "mxhook queue: export: --to FOLDER is expected"),
                                     (["history", "stroy", ID], 2, "Did you mean 'story'? Try: mxhook history --help"),
                                     (["history", "show"], 2, "mxhook history: show: one ID is expected"),
                                     (["history", "replay"], 2, "mxhook history: replay needs a filter"),
                                     (["destination", "Pause"], 2, "Did you mean 'pause'?"),
                                     (["store", "migrat"], 2, "Did you mean 'migrate'?"),
                                     (["test", "--filter"], 2, "mxhook test: option '--filter' requires an argument")):
            with self.subTest(arguments=arguments):
                done = subprocess.run([MXHOOK, *arguments], capture_output=True, text=True, timeout=60, cwd=self.folder)
                self.assertEqual((done.returncode, done.stdout), (code, ""))
                self.assertIn(why, done.stderr)
                self.assertLessEqual(len(done.stderr.splitlines()), 2)


if __name__ == "__main__":
    unittest.main()
