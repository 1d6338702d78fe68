#!/usr/bin/python3
"""The manuals as they were built: they render without a warning, and leave out no option and no command."""
import os
import pathlib
import re
import shutil
import subprocess
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


if __name__ == "__main__":
    unittest.main()
