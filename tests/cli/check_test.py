"""mxhook check: with the rights that the service will have, and what it warns of."""

import os
import pathlib
import pwd
import subprocess
import tempfile
import unittest

MXHOOK = os.environ["MXHOOK"]


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self.config = self.folder / "mxhook.lua"
        (self.folder / "rules.d").mkdir()

    def check(self, text, rule="return function() return 'null' end\n"):
        self.config.write_text(text)
        if rule:
            (self.folder / "rules.d/10.lua").write_text(rule)
        return subprocess.run([MXHOOK, "check", "--config", self.config], capture_output=True, text=True, timeout=60)

    def test_warns_of_what_works_but_is_not_meant(self):
        done = self.check('domains = { "example.com", "mail.test", "*.example.org" }\nspool = { directory = "spool" }\n', rule=None)
        self.assertEqual(done.returncode, 0, done.stderr)
        for text in ("there are no rules and no aliases", "example.com is still the placeholder"):
            self.assertIn(text, done.stderr)
        self.assertNotIn("mail.test", done.stderr)
        done = self.check('domains = { "mail.test" }\nspool = { directory = "spool" }\n')
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_root_looks_with_the_rights_of_the_service(self):
        text = 'domains = { "mail.test" }\nuser = "nobody"\nspool = { directory = "spool" }\n'
        done = self.check(text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("checked with the rights of the user nobody", done.stdout)
        (self.folder / "rules.d/10.lua").chmod(0o600)
        done = self.check(text, rule=None)
        self.assertEqual(done.returncode, 1)
        self.assertIn("10.lua", done.stderr)
        (self.folder / "rules.d/10.lua").chmod(0o644)
        (self.folder / "spool").mkdir(mode=0o700)
        done = self.check(text, rule=None)
        self.assertEqual(done.returncode, 1)
        self.assertIn("spool.directory", done.stderr)
        os.chown(self.folder / "spool", pwd.getpwnam("nobody").pw_uid, -1)
        self.assertEqual(self.check(text, rule=None).returncode, 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_user_that_there_is_not(self):
        done = self.check('domains = { "mail.test" }\nuser = "no-such-user"\n')
        self.assertEqual(done.returncode, 1)
        self.assertIn("no such user", done.stderr)


if __name__ == "__main__":
    unittest.main()
