#!/usr/bin/python3
"""The manuals as they were built: they render without a warning, and leave out no option and no command."""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import manuals

MXHOOK = os.environ["MXHOOK"]
BUILT = pathlib.Path(os.environ["MANUALS"])
PAGES = sorted(path.name.removesuffix(".in") for path in manuals.FOLDER.glob("mxhook*"))


def mxhook(*arguments):
    return subprocess.run([MXHOOK, *arguments], capture_output=True, check=True, timeout=60).stdout.decode()


class Manuals(unittest.TestCase):
    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_each_renders_without_a_warning(self):
        self.assertGreaterEqual(len(PAGES), 5)
        for page in PAGES:
            with self.subTest(page=page):
                done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", BUILT / page], capture_output=True, timeout=60)
                self.assertEqual((done.stdout + done.stderr).decode(), "")

    def test_each_names_only_manuals_that_there_are(self):
        for page in PAGES:
            for name, section in re.findall(r"^\.Xr (mxhook\S*) (\d)", (BUILT / page).read_text(), re.M):
                with self.subTest(page=page):
                    self.assertIn(f"{name}.{section}", PAGES)

    def test_every_option_of_the_configuration_has_its_entry(self):
        section, names = "", []
        for block in re.sub(r"^}$", "", mxhook("config"), flags=re.M).strip().split("\n\n")[1:]:
            if opens := re.match(r"\s*(\w+) = \{\n", block):
                section = opens[1] + "."
            # What explains an option stands above it.
            names.append(section + re.match(r" *(?:-- )?(\w+) = ", block.splitlines()[-1])[1])
        entries = re.findall(r"^\.It Va (\S+) ", (BUILT / "mxhook.lua.5").read_text(), re.M)
        self.assertGreater(len(names), 70)
        self.assertEqual(entries, names)

    def test_every_command_has_its_help(self):
        page = (BUILT / "mxhook.8").read_text()
        commands = re.findall(r"^  (\w+)", mxhook("--help"), re.M)
        self.assertGreater(len(commands), 8)
        for command in commands:
            with self.subTest(command=command):
                self.assertIn(mxhook(command, "--help"), manuals.displays(page))

    def test_signatures_verify_as_the_examples_say(self):
        page = (manuals.FOLDER / "mxhook-payload.7").read_text().split(".Sh VERIFYING SIGNATURES")[1]
        python, node, _, _, shell = manuals.displays(page)[:5]
        body, secret = "{\"a\": \"\u00e4\"}".encode(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        key = base64.b64decode(secret[len("whsec_"):])
        mac = base64.b64encode(hmac.new(key, b"msg_1.1700000000." + body, hashlib.sha256).digest()).decode()
        for signature, good in (("v1,old v1," + mac, True), ("v1," + mac[:-4] + "AAA=", False)):
            headers = {"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": signature}
            scope = {}
            exec(python, scope)
            self.assertEqual(scope["verify"](secret, headers, body), good)
            with tempfile.NamedTemporaryFile() as file:
                file.write(body)
                file.flush()
                done = subprocess.run(["sh", "-c", shell + 'verify "$@"', "sh", secret, "msg_1", "1700000000", signature, file.name])
            self.assertEqual(done.returncode == 0, good)
            if shutil.which("node"):
                call = "\nprocess.exit(verify(%s, %s, Buffer.from(%s)) ? 0 : 1)" % tuple(
                    map(json.dumps, (secret, headers, body.decode())))
                self.assertEqual(subprocess.run(["node", "-e", node + call]).returncode == 0, good)

    def test_the_changelog_names_this_version(self):
        first = (manuals.FOLDER.parent / "changelog").read_text().split("\n")[0]
        self.assertIn("(%s-1)" % mxhook("version").split()[1], first)


if __name__ == "__main__":
    unittest.main()
