#!/usr/bin/python3
"""Every example of the manuals is run by a test: one that no test knows fails here."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import manuals

MXHOOK = os.environ["MXHOOK"]
RULES = ("mxhook-rules.7", "mxhook-security.7")  # whose rules tests/rules/commands_test.py loads
SIGNATURES = ("Python", "Node", "Go", "PHP", "Shell")  # signatures_test.py runs them
OTHERS = {  # what is no program's input: a line of the log, what the program itself has printed
    ("mxhook-log.7", "2026-11-24T10:00:00.123Z info"), ("mxhook.8.in", "@COMMANDS@"),
}
MAIL = b"From: a@sender.example\r\nTo: hello@example.com\r\nSubject: x\r\nMessage-ID: <1@x.example>\r\n\r\nText.\r\n"


def kind(page, section, text):
    """Which test has this example; None: none has."""
    if any(page == where and text.startswith(begin) for where, begin in OTHERS):
        return "other"
    if section in SIGNATURES:
        return "signature"
    if page in RULES and re.match("return|local", text):
        return "rule"
    if text.startswith("#!/bin/sh"):
        return "hook"
    if text.startswith("describe("):
        return "rule test"
    if text.startswith("{"):
        return "json"
    if re.search(r"^(mxhook|curl|journalctl|systemctl|scripts/package) ", text, re.M) and "= {" not in text.split("\n")[0]:
        return "shell"
    if re.match(r"(-- )?\w+ = |# /etc/postfix/main.cf", text):
        return "configuration"
    return None


def all_examples():
    for path in sorted(manuals.FOLDER.glob("mxhook*")):
        source = path.read_text()
        for display in re.finditer(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", source, re.M):
            section = re.findall(r"^\.S[hs] (.*)", source[:display.start()], re.M)[-1]
            text = manuals.plain(display[1]).strip() + "\n"
            yield path.name, section, text


def of_kind(wanted):
    found = [(page, text) for page, section, text in all_examples() if kind(page, section, text) == wanted]
    assert found, wanted
    return found


class Examples(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "rules.d").mkdir()

    def test_each_is_run_by_a_test(self):
        kinds = {(page, text): kind(page, section, text) for page, section, text in all_examples()}
        self.assertGreater(len(kinds), 35)
        self.assertEqual([each for each, known in kinds.items() if not known], [])

    def test_configurations_are_right(self):
        """But for files that are the reader's own: these are named here."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mx.example.com",
                        "-out", self.folder / "cert.pem", "-keyout", self.folder / "key.pem"], check=True, capture_output=True)
        (self.folder / "rules.d/10.lua").write_text("return function() return 'null' end\n")
        for page, text in of_kind("configuration"):
            with self.subTest(page=page, text=text):
                text = "\n".join(line for line in text.split("-- mxhook.lua\n")[-1].split("\n") if not re.match("curl ", line))
                text = re.sub(r'"/etc/mxhook/\S+\.pem"', '"%s/cert.pem"' % self.folder, text)
                text = re.sub(r'"/etc/mxhook/\S+\.key"', '"%s/key.pem"' % self.folder, text)
                text = re.sub(r"^-- (?=\w+ = )|(?<=  )-- (?=\w+ = )", "", text, flags=re.M)
                text += "" if re.search("^domains = ", text, re.M) else 'domains = { "mail.test" }\n'
                text += "" if re.search("^spool = ", text, re.M) else 'spool = { directory = "spool" }\n'
                (self.folder / "mxhook.lua").write_text(text)
                done = subprocess.run([MXHOOK, "check", "--config", self.folder / "mxhook.lua"], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_commands_there_are_and_have_those_options(self):
        seen = 0
        for page, text in of_kind("shell"):
            for line in text.replace("\\\n", " ").split("\n"):
                for name, arguments in re.findall(r"(?:^|\| )mxhook (\w+)(.*)", line.split("   ")[0]):
                    seen += 1
                    done = subprocess.run([MXHOOK, name, "--help"], capture_output=True, text=True, timeout=60)
                    with self.subTest(page=page, line=line):
                        self.assertEqual(done.returncode, 0)
                        for option in re.findall(r"--[a-z-]+", arguments):
                            self.assertIn(option, done.stdout)
        self.assertGreater(seen, 9)

    def test_options_in_the_text_there_are(self):
        """`mxhook queue retry --now` and the like."""
        seen, helps = 0, {}
        for path in sorted(manuals.FOLDER.glob("mxhook*")):
            for name, arguments in re.findall(r"^\.Ql mxhook ([a-z]+)(.*)", path.read_text(), re.M):
                if name not in helps:
                    done = subprocess.run([MXHOOK, name, "--help"], capture_output=True, text=True, timeout=60)
                    helps[name] = done.stdout if done.returncode == 0 else ""
                seen += 1
                with self.subTest(page=path.name, command=name, arguments=arguments):
                    self.assertTrue(helps[name], "there is no such command")
                    for option in re.findall(r"--[a-z-]+", manuals.plain(arguments)):
                        self.assertIn(option, helps[name])
        self.assertGreater(seen, 20)

    def test_hooks_run(self):
        (self.folder / "systemctl").write_text('#!/bin/sh\necho "$@" >"%s/asked"\n' % self.folder)
        (self.folder / "systemctl").chmod(0o755)
        for name in ("fullchain.pem", "privkey.pem"):
            (self.folder / name).write_text(name)
        for page, text in of_kind("hook"):
            with self.subTest(page=page):
                text = text.replace("/etc/mxhook", str(self.folder)).replace("-g mxhook ", "")  # the group comes with the package
                subprocess.run(["sh", "-ec", text], check=True, timeout=60,
                               env={"PATH": "%s:/usr/bin:/bin" % self.folder, "RENEWED_LINEAGE": str(self.folder)})
                self.assertEqual((self.folder / "asked").read_text(), "reload mxhook\n")
                key = self.folder / "mx.example.com.key"
                self.assertEqual((key.read_text(), key.stat().st_mode & 0o777), ("privkey.pem", 0o640))

    def test_the_payload_has_these_keys(self):
        page = (manuals.FOLDER / "mxhook-payload.5").read_text()
        payload, notice = (json.loads(text) for text in manuals.displays(page)[:2])
        mail = self.folder / "a.eml"
        mail.write_bytes(MAIL)
        real = json.loads(subprocess.run([MXHOOK, "payload", mail], capture_output=True, check=True, timeout=60).stdout)
        self.assertEqual(list(payload), list(real))
        self.assertEqual(list(payload["attachments"][0]), ["type", "name", "content", "encoding"])
        self.assertEqual(list(notice), ["type", "timestamp", "data"])  # its data: tests/deliver/notice_test.c

    def test_the_test_of_a_rule_runs(self):
        for page, text in of_kind("rule test"):
            (self.folder / "rules.d/10.lua").write_text('return alias { ["sales@example.com"] = "https://crm.example/hook" }\n')
            (self.folder / "rules.d/10_test.lua").write_text(text)
            done = subprocess.run([MXHOOK, "test", "--rules", self.folder / "rules.d"], capture_output=True, text=True, timeout=60)
            self.assertNotIn("error", done.stdout.lower(), page)
            self.assertIn("1 passed", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
