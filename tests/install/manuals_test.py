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


SERVER = manuals.FOLDER.parents[1]


def events(source):
    """The events that a file of C logs: the first text of each call, or what its variable may be."""
    names = set()
    for call in re.finditer(r"\b(?:log_\w+|write_line)\((?:LOG_[A-Z]+,)?\s*", source):
        event = re.match(r"[^,)]*", source[call.end():])[0]
        if re.fullmatch(r"\w+", event):  # a variable: set above, or a parameter of the function
            above = source[:call.start()]
            value = re.findall(r"\b%s = ([^;]*);" % event, above)
            function = re.findall(r"^static \w[\w *]*?(\w+)\(const char \*%s\b" % event, above, re.M)
            event = value[-1] if value else " ".join(re.findall(r"\b%s\(([^,]*)," % function[-1], source)) if function else ""
        names |= set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', event))
    return names


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

    def test_quotes_are_closed_where_groff_renders_them(self):
        """.Ql a No and Ql b: mandoc closes the first, groff the last."""
        for path in manuals.FOLDER.glob("mxhook*"):
            self.assertEqual(re.findall(r"^\.(?:Pq )?Ql .* No .* Ql .*", path.read_text(), re.M), [], path.name)

    def test_quotation_marks_are_shown(self):
        """One that begins a word of a macro's line quotes the word there, and is not printed: \\(dq is."""
        for path in manuals.FOLDER.glob("mxhook*"):
            self.assertEqual(re.findall(r'^\.(?:Pq )?Ql (?:.* )?".*', path.read_text(), re.M), [], path.name)

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
                text = mxhook(command, "--help")
                self.assertIn(text, manuals.displays(page))
                self.assertLessEqual(max(map(len, text.splitlines())), 80)  # a terminal of that width does not break it

    def test_every_event_of_the_log_is_there(self):
        found = set()
        for path in SERVER.rglob("*.c"):
            found |= events(path.read_text())
        listed = re.findall(r"^\.It Ql (\S+) Pq (?:debug|info|warn|error)$", (BUILT / "mxhook-log.7").read_text(), re.M)
        self.assertGreater(len(found), 80)
        self.assertEqual(sorted(manuals.plain(each) for each in listed), sorted(found))

    def test_every_metric_is_there(self):
        rows = re.findall(r'^    ROW\(\w+, \w+, "(\w+)"', (SERVER / "base/metrics.h").read_text(), re.M)
        listed = re.findall(r"^\.It Ql mxhook_(\w+) Pq (?:counter|gauge|histogram).*\n([^.].+\.)$", (BUILT / "mxhook-admin.7").read_text(), re.M)
        self.assertGreater(len(rows), 50)
        self.assertEqual([name for name, _ in listed], rows)

    def test_every_address_of_the_api_is_there(self):
        paths = re.findall(r'^    \{"(/\S+)", ', (SERVER / "admin/routes.c").read_text(), re.M)
        items = " ".join(re.findall(r"^\.It .*", (BUILT / "mxhook-admin.7").read_text().split(".Sh ADDRESSES")[1].split(".Sh ")[0], re.M))
        listed = re.findall(r"(/\S+?)(?=[?;=\s]|$)", items)
        self.assertGreater(len(paths), 25)
        self.assertEqual(sorted(set(listed)), sorted(paths))

    def test_every_name_that_conditions_know_is_there(self):
        page, lua = (manuals.FOLDER / "mxhook-rules.7").read_text(), SERVER.parent / "lua/mxhook"
        source = (lua / "cel.lua").read_text()
        names = re.findall(r"^    (\w+) = \{ code = ", source, re.M) + re.findall(r'"(\w+)"', re.search(
            r"for _, name in ipairs (\{.*\}) do\n    variables\[name\]", source)[1])
        self.assertGreater(len(names), 25)
        listed = page.split("\nCEL sees\n")[1].split("\nWhat can be known")[0]
        self.assertEqual(sorted(re.findall(r"^\.Ql (\w+)", listed, re.M)), sorted(names))
        fields = re.findall(r'"(\w+)"', re.search(r"^local regex_fields = (.*)$", (lua / "matchers.lua").read_text(), re.M)[1])
        listed = page.split("\nThe fields of\n.Ql route.regex\n")[1].split("\nA pattern may match")[0]
        self.assertEqual(sorted(re.findall(r"^\.Ql (\w+)", listed, re.M)), sorted(set(fields) - {"all", "any", "to"}))

    def test_the_changelog_names_this_version(self):
        first = (manuals.FOLDER.parent / "changelog").read_text().split("\n")[0]
        self.assertIn("(%s-1)" % mxhook("version").split()[1], first)


if __name__ == "__main__":
    unittest.main()
