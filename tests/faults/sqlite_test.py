"""SQLite cannot do what it is asked: the spool is busy, or cannot be written. (Full: e2e/disk_full_test.py; damaged:
damage_test.py; each call that fails: inject_test.py.)"""

import os
import smtplib
import sqlite3
import subprocess
import tempfile
import unittest

import harness


class Sqlite(harness.TestCase):
    def test_busy(self):
        """Another process holds the spool for longer than mxhook waits for it (10 s): 451, and then on."""
        sink = self.receiver()
        mx = self.server(self.to(sink))
        other = sqlite3.connect(os.path.join(mx.folder, "spool", "spool.db"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with self.assertRaises(smtplib.SMTPDataError) as caught:
            mx.send(harness.mail(message_id="while-busy"))
        self.assertEqual((caught.exception.smtp_code, caught.exception.smtp_error[:5]), (451, b"4.3.0"))
        self.assertTrue(mx.logged("spool-failed", "locked"), mx.log())
        other.execute("ROLLBACK")
        other.close()
        mx.send(harness.mail(message_id="after"))
        sink.wait_for(1)
        self.assertEqual([post.json["message-id"] for post in sink.posts], ["after"])
        self.assertTrue(mx.logged("spool-recovered"))

    def mount(self, folder, options):
        done = subprocess.run(["mount", *options, folder], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("nothing can be mounted here: " + done.stderr.strip())

    def test_read_only(self):
        """No start, a message that says so, and nothing is lost when it can be written again."""
        disk = tempfile.mkdtemp(prefix="mxhook-disk-")
        self.addCleanup(os.rmdir, disk)
        self.mount(disk, ["-t", "tmpfs", "-o", "size=80m", "tmpfs"])
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        sink = self.receiver(lambda post: 503 if self.refusing else 200)
        self.refusing = True
        mx = self.server(self.to(sink), """
            spool = { directory = "%s/spool" }
            deliver = { schedule = { '100ms' }, attempts = 1000, breaker_failures = 10000 }""" % disk)
        mx.send(harness.mail(message_id="kept"))
        mx.kill()
        self.mount(disk, ["-o", "remount,ro"])
        with self.assertRaises(AssertionError):
            mx.start()
        self.assertEqual(mx.process.wait(), 1)
        self.assertTrue(mx.logged("not-started", "Read-only file system"), mx.log())
        listed = mx.command("queue", "list")  # reading goes on
        self.assertIn("hook@example.com", listed.stdout, listed)
        dropped = mx.command("queue", "drop", "--since", "1d")
        self.assertEqual(dropped.returncode, 1, dropped)
        self.mount(disk, ["-o", "remount,rw"])
        self.refusing = False
        sink.posts.clear()
        mx.start()
        harness.wait_until(lambda: [p for p in sink.posts if p.json["message-id"] == "kept"], "what was kept")


if __name__ == "__main__":
    unittest.main()
