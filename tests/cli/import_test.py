"""mxhook import improvmx: what was exported, as rules that the rules' own commands take."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

MXHOOK = os.environ["MXHOOK"]
MAIL = "From: a@b.example\nTo: x@example.com\nSubject: Order Confirm\n\nText\n"


class Import(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.rules = self.folder / "rules.d"

    def run_import(self, text, *arguments):
        (self.folder / "exported").write_text(text)
        return subprocess.run([MXHOOK, "import", "improvmx", "--to", self.rules, *arguments, self.folder / "exported"],
                              capture_output=True, text=True, timeout=60)

    def destinations(self, recipient):
        (self.folder / "mail.eml").write_text(MAIL)
        done = subprocess.run([MXHOOK, "route", "--json", "--rules", self.rules, "--rcpt", recipient,
                               self.folder / "mail.eml"], capture_output=True, text=True, timeout=60)
        answer = json.loads(done.stdout)
        return answer["code"], answer["destinations"]

    def test_aliases_of_csv(self):
        done = self.run_import('\ufeffalias,forward\r\nsales,"a@x.example, https://h.example/x?a=""b"""\r\n*,all@x.example\r\n'
                               'info-*,i@x.example\r\nnoreply,null\r\n', "--domain", "example.com")
        self.assertEqual(done.returncode, 1, done.stderr)  # quotes are no part of a URL
        self.assertIn("1 to look at", done.stdout)
        self.rules.joinpath("50-improvmx.lua").unlink()
        done = self.run_import("alias,forward\nsales,\"a@x.example, https://h.example/x\"\n*,all@x.example\ninfo-*,i@x.example\n"
                               "noreply,null\n", "--domain", "example.com")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.destinations("sales@example.com"), (250, ["a@x.example", "https://h.example/x"]))
        self.assertEqual(self.destinations("info-berlin@example.com"), (250, ["i@x.example"]))
        self.assertEqual(self.destinations("noreply@example.com"), (250, []))
        self.assertEqual(self.destinations("whoever@example.com"), (250, ["all@x.example"]))
        self.assertEqual(self.destinations("whoever@example.net")[0], 550)

    def test_several_files(self):
        """A domain's aliases and rules come by two addresses of the API. Rules go first."""
        aliases, rules = self.folder / "aliases.json", self.folder / "rules.json"
        aliases.write_text(json.dumps({"aliases": [{"alias": "sales", "forward": "a@x.example"}]}))
        rules.write_text(json.dumps({"rules": [{"type": "alias", "rank": 1, "active": True,
                                                "config": {"alias": "info", "forward": "i@x.example"}}]}))
        command = [MXHOOK, "import", "improvmx", "--to", self.rules, "--domain", "example.com"]
        done = subprocess.run(command + [aliases, rules], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.destinations("sales@example.com"), (250, ["a@x.example"]))
        self.assertEqual(self.destinations("info@example.com"), (250, ["i@x.example"]))
        for count in (0, 17):
            done = subprocess.run(command + [aliases] * count, capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("mxhook import improvmx: one FILE is expected, or up to 16", done.stderr)

    def test_rules_of_the_api(self):
        rules = [{"type": "alias", "rank": 9, "config": {"alias": "*", "forward": "all@x.example"}},
                 {"type": "regex", "rank": 2, "config": {"regex": ".*(Order|Payment) Confirm.*", "scopes": ["subject"],
                                                         "forward": "https://h.example/"}},
                 {"type": "cel", "rank": 1, "config": {"expression": "recipient.startsWith('richard')",
                                                       "forward": "r@x.example"}},
                 {"type": "regex", "rank": 3, "active": False, "config": {"regex": "x", "scopes": ["subject"],
                                                                          "forward": "a@x.example"}},
                 {"type": "magic", "rank": 4, "config": {}}]
        done = self.run_import(json.dumps({"rules": rules}), "--domain", "example.com")
        self.assertEqual(done.returncode, 1)
        self.assertIn("3 turned, 2 to look at", done.stdout)
        for why in ("it is switched off", "nothing is known of the type 'magic'"):
            self.assertIn(why, done.stdout)
        self.assertEqual(self.destinations("richard@example.com"), (250, ["r@x.example"]))
        self.assertEqual(self.destinations("x@example.com"), (250, ["https://h.example/"]))

    def test_nothing_that_is_there_is_overwritten(self):
        text = json.dumps({"aliases": [{"alias": "a", "forward": "a@x.example"}]})
        self.assertEqual(self.run_import(text, "--domain", "example.com").returncode, 0)
        done = self.run_import(text, "--domain", "example.com")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is there already", done.stderr)

    def test_what_cannot_be_read(self):
        for text, why in (("{", "not JSON"), ("{}", "neither aliases nor rules"), ('alias,forward\n"a', "within quotes"),
                          ("alias,forward\na,b@x.example\n", "give --domain")):
            done = self.run_import(text)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stdout + done.stderr)
            self.rules.joinpath("50-improvmx.lua").unlink(missing_ok=True)
        done = subprocess.run([MXHOOK, "import", "mailgun", "x"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("nothing is known of 'mailgun'", done.stderr)


if __name__ == "__main__":
    unittest.main()
