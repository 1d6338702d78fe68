"""mxhook init: what it writes works as it is, and nothing that is there is touched."""

import os
import pathlib
import subprocess
import tempfile
import unittest

MXHOOK = os.environ["MXHOOK"]


def mxhook(*arguments):
    return subprocess.run([MXHOOK, *map(os.fspath, arguments)], capture_output=True, text=True, errors="replace",
                          timeout=60)


class Init(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name) / "try"

    def test_what_it_writes_checks_and_passes_its_tests(self):
        done = mxhook("init", "--domain", "Mail.Example.net", "--webhook", "https://h.example/?q=x&y=%41", self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        config = self.folder / "mxhook.lua"
        for command in ("check", "test"):
            done = mxhook(command, "--config", config)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1 passed, 0 failed", done.stdout)

    def test_keeps_what_is_there(self):
        self.folder.mkdir()
        (self.folder / "mxhook.lua").write_text('domains = { "own.example" }\n')
        done = mxhook("init", str(self.folder) + "/")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("kept     %s/mxhook.lua" % self.folder, done.stdout)
        self.assertEqual((self.folder / "mxhook.lua").read_text(), 'domains = { "own.example" }\n')
        self.assertTrue((self.folder / "rules.d/10-aliases.lua").exists())
        self.assertIn('its `domains` must name "example.com"', done.stdout)
        self.assertNotIn("must name", mxhook("init", "--domain", "own.example", self.folder).stdout)

    def test_folders_of_any_name(self):
        for name in ("with space", "\u00fc", "a'b", 'a"b]]', "two\nlines", "-x"):
            folder = self.folder.parent / name
            done = mxhook("init", folder)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(mxhook("test", "--config", folder / "mxhook.lua").returncode, 0, name)

    def test_folders_that_cannot_be(self):
        file = self.folder.parent / "file"
        file.write_text("")
        for folder, why in ((file, "file: Not a directory"), (file / "x", "x: Not a directory"), ("", ": No such file"),
                            ("/proc/x", "/proc/x: No such file"), ("x" * 300, "File name too long")):
            done = mxhook("init", folder)
            self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (1, "", 1), done.stderr)
            self.assertIn(why, done.stderr)

    @unittest.skipUnless(os.getuid() == 0, "needs root, to run as one who has no rights there")
    def test_a_folder_that_may_not_be_written(self):
        self.folder.parent.chmod(0o755)
        self.folder.mkdir(0o755)
        for folder in (self.folder, self.folder / "x"):
            done = subprocess.run([MXHOOK, "init", folder], capture_output=True, text=True, timeout=60, user=65534, group=65534,
                                  extra_groups=[])
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
            self.assertIn("Permission denied", done.stderr)

    def test_says_what_is_wrong(self):
        for arguments, why in ((("--domain", "a b"), "expected a domain"), (("--webhook", "ftp://x"), "expected a URL"),
                               (("--domain", 'x"]'), "expected a domain"), (("--domain", b"\xff.example"), "expected a domain"),
                               (("--domain", "a.example."), "expected a domain"), (("--domain", "-"), "expected a domain"),
                               (("--domain", ""), "expected a domain")):
            done = mxhook("init", *arguments, self.folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)
            self.assertFalse(self.folder.exists())
        self.assertIn("No such file or directory", mxhook("init", self.folder / "a/b").stderr)
        self.assertEqual(mxhook("init").returncode, 2)


if __name__ == "__main__":
    unittest.main()
