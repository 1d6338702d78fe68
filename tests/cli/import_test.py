"""mxhook import improvmx: what was exported, as rules that the rules' own commands take."""

import json
import os
import pathlib
import shutil
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
        (self.folder / "exported").write_bytes(text.encode() if isinstance(text, str) else text)
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
        done = subprocess.run(command + [aliases] * 100, capture_output=True, text=True, timeout=60)
        self.assertIn("is there already", done.stderr)
        for count in (0, 101):
            done = subprocess.run(command + [aliases] * count, capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("mxhook import improvmx: one FILE is expected, or up to 100", done.stderr)

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

    def left_out(self, text, *arguments):
        """Imports it with --domain; what the report says of each line that was left out."""
        if self.rules.exists():
            shutil.rmtree(self.rules)
        done = self.run_import(text, "--domain", "example.com", *arguments)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        first, *lines = done.stdout.splitlines()
        self.assertIn(" %d to look at" % len(lines), first)
        return [line.strip() for line in lines]

    def check(self, done, count):
        """It was written, whole, and loads with so many aliases."""
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn(": %d turned, 0 to look at" % count, done.stdout)
        (self.folder / "mxhook.lua").write_text('domains = { "example.com" }\nrules = { directory = "%s" }\n' % self.rules)
        done = subprocess.run([MXHOOK, "check", "--config", self.folder / "mxhook.lua"], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("%d alias" % count, done.stdout)

    def test_what_cannot_be_read(self):
        """Nothing is written then, so that the next try finds no file in its way."""
        for text, why in ((b"{", "exported: not JSON"), (b"{}", "exported: neither aliases nor rules"),
                          (b"", "exported: neither aliases nor rules"), (b"alias,forward\n", "neither aliases nor rules"),
                          (b'alias,forward\r\nb,b@x.example\r\n"a', "exported: line 3: a quoted field has no end"),
                          (b"\xff\xfea\0", "exported: is UTF-16"), (b'{"aliases": 5}', 'exported: "aliases" is no list'),
                          (b'{"rules": {"a": 1}}', 'exported: "rules" is no list'), (b"[" * 5000, "exported: not JSON"),
                          (b'{"success": false, "errors": {"key": ["bad"]}}', 'answered with an error: {"key":["bad"]}'),
                          (b"alias,forward\na,b@x.example\n", "give --domain")):
            done = self.run_import(text)
            self.assertEqual(done.returncode, 1, text)
            self.assertIn(why, done.stdout + done.stderr)
            self.assertEqual(len((done.stdout + done.stderr).splitlines()), 1 + ("turned" in done.stdout))
            self.assertFalse(self.rules.exists(), text)
        for arguments, why in ((["mailgun", "x"], "nothing is known of 'mailgun'"), ([], "is expected: improvmx"),
                               (["improvmx", "--no"], "mxhook import: unrecognized option '--no'")):
            done = subprocess.run([MXHOOK, "import", *arguments], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn(why, done.stderr)
        for arguments, why in (([self.folder / "none"], "none: No such file"), ([self.folder], "Is a directory"),
                               (["--domain", 'a"]b', self.folder / "exported"], "--domain: expected a domain"),
                               (["--domain", "b.example", "--to", self.folder / "exported", self.folder / "exported"],
                                "exported: Not a directory"),
                               (["--domain", "b.example", "--to", self.folder / "a/b", self.folder / "exported"],
                                "No such file")):
            done = subprocess.run([MXHOOK, "import", "improvmx", *arguments], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
            self.assertIn(why, done.stderr)

    def test_csv_as_programs_write_it(self):
        for text in ("alias,forward\r\na,a@x.example\r\n\r\nb,b@x.example", "Alias;Forward\na;a@x.example\nb;b@x.example\n",
                     "\ufeffforward\talias\na@x.example\ta\nb@x.example\tb\n", "a,a@x.example\rb,b@x.example\r",
                     'alias,forward,enabled\n"a","a@x.example, ",yes\n b , b@x.example,1\n'):
            if self.rules.exists():
                shutil.rmtree(self.rules)
            self.check(self.run_import(text, "--domain", "example.com"), 2)
            for name in "ab":
                self.assertEqual(self.destinations(name + "@example.com"), (250, [name + "@x.example"]), text)
        shutil.rmtree(self.rules)
        self.check(self.run_import("alias,forward\na,https://h.example/x;y=1\n", "--domain", "example.com"), 1)
        self.assertEqual(self.destinations("a@example.com"), (250, ["https://h.example/x;y=1"]))

    def test_what_is_left_out_is_told_with_its_line(self):
        text = (b'alias,forward,enabled,note\n'
                b'"]] os.execute(""x"")",a@x.example,1,\n'
                b'"two\r\nlines",a@x.example,1,\n'
                b'q"uote,a@x.example,1,\n'
                b's\xe4les,a@x.example,1,\n'
                b'\xc3\xe2\x82\xac\xa9,a@x.example,1,\n'
                b'nul\0,a@x.example,1,\n'
                b'\x1b[31mred,a@x.example,1,\n'
                b'off,a@x.example,false,\n'
                b'perhaps,a@x.example,maybe,\n'
                b'none,,1,\n'
                b',a@x.example,1,\n'
                b'ftp,ftp://x/y,1,\n'
                b'"q"x,a@x.example,1,\n'
                b'many,a@x.example,1,,b@x.example\n'
                b'kept,a@x.example,1,\n'
                b'KEPT,b@x.example,1,\n'
                b'/^a$|^b$/,b@x.example,1,\n'
                b'there@ex"ample,a@x.example,1,\n')
        lines = self.left_out(text)
        self.assertIn("the column 'note' is not known", lines.pop(0))
        self.assertEqual([line.split(":", 1)[0] for line in lines], [
            'line 2 (]] os.execute("x"))', "line 3 (two  lines)", 'line 5 (q"uote)', "line 6 (s?les)", "line 7 (?????)",
            "line 8 (nul )", "line 9 ( [31mred)", "line 10 (off)", "line 11 (perhaps)", "line 12 (none)", "line 13 ()", "line 14 (ftp)",
            "line 15 (q)", "line 16 (many)", "line 18 (KEPT)", "line 19 (/^a$|^b$/)", 'line 20 (there@ex"ample)'])
        self.assertTrue(lines[14].endswith("line 17 has it already"), lines[14])
        self.assertEqual(self.destinations("kept@example.com"), (250, ["a@x.example"]))
        self.assertEqual(self.destinations("off@example.com")[0], 550)

    def test_json_of_other_shapes(self):
        aliases = [{"alias": "a", "forward": ["a@x.example", "https://h.example/"]}, {"alias": "b", "forward": [1]}, None, 7,
                   "text", [], {"alias": None}, {"alias": 5, "forward": "a@x.example"}, {"alias": "c", "forward": None},
                   {"alias": "d", "forward": "a@x.example", "is_active": False}]
        rules = [{"type": "regex", "config": None}, {"type": None}, 5, {"type": "cel", "config": {"expression": 5}},
                 {"type": "regex", "rank": "x", "config": {"regex": "x", "scopes": [5], "forward": "a@x.example"}}]
        lines = self.left_out(json.dumps({"aliases": aliases, "rules": rules}))
        self.assertEqual(len(lines), 14, lines)
        self.assertEqual(self.destinations("a@example.com"), (250, ["a@x.example", "https://h.example/"]))
        lines = self.left_out(json.dumps({"aliases": aliases[:1], "total": 101, "page": 1}))
        self.assertEqual(lines, ["aliases: 1 of 101 are here: get the other pages too (?page=2 and so on)"])

    def test_rules_of_one_rank_stay_in_order(self):
        rules = [{"type": "regex", "rank": 1, "config": {"regex": "Order", "scopes": ["subject"], "forward": "r%d@x.example" % n}}
                 for n in range(40)]
        self.assertEqual(self.run_import(json.dumps({"rules": rules})).returncode, 0)
        self.assertEqual(self.destinations("x@example.com"), (250, ["r0@x.example"]))

    def test_patterns_are_of_names_in_the_domain(self):
        self.check(self.run_import("alias,forward\n/^inv-(\\d+)$/,https://h.example/$1\n/news/,n@x.example\n",
                                   "--domain", "example.com"), 2)
        self.assertEqual(self.destinations("inv-7@example.com"), (250, ["https://h.example/7"]))
        self.assertEqual(self.destinations("my-newsletter@example.com"), (250, ["n@x.example"]))
        for other in ("inv-7@example.net", "inv-7x@example.com", "x@news.example.com"):
            self.assertEqual(self.destinations(other)[0], 550, other)

    def test_many_aliases(self):
        """From 10,001 on they stand in a file beside the rules."""
        lines = ['u%d,"u%d@x.example,v@x.example"\n' % (n, n) for n in range(10001)]
        done = self.run_import("alias,forward\n" + "".join(lines[1:]), "--domain", "example.com")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(self.rules.joinpath("50-improvmx.csv").exists())
        shutil.rmtree(self.rules)
        self.check(self.run_import("alias,forward\n" + "".join(lines), "--domain", "example.com"), 10001)
        self.assertTrue(self.rules.joinpath("50-improvmx.csv").exists())
        self.assertEqual(self.destinations("u10000@example.com"), (250, ["u10000@x.example", "v@x.example"]))


if __name__ == "__main__":
    unittest.main()
