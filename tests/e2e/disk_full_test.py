"""A full disk, or a spool that may be no larger: 452, nothing lost, and service again when there is room. The disk needs
root, for a small tmpfs."""

import os
import smtplib
import subprocess
import tempfile
import threading
import unittest

import harness

SIZE_KB = (64 + 8) * 1024  # spool.min_free, and some for mail


class DiskFull(harness.TestCase):
    def setUp(self):
        self.disk = tempfile.mkdtemp(prefix="mxhook-disk-")
        self.addCleanup(os.rmdir, self.disk)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dk" % SIZE_KB, "tmpfs", self.disk],
                               capture_output=True, text=True)
        if mount.returncode != 0:
            self.skipTest("no tmpfs can be mounted here: " + mount.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.status = 503
        self.sink = self.receiver(lambda post: self.status)
        self.mx = self.server(self.to(self.sink), """
            spool = { directory = "%s/spool" }
            deliver = { schedule = { '200ms' }, attempts = 1000 }""" % self.disk)

    def fill(self, size):
        """Sends until one is refused; returns how many were accepted, and the reply to the last."""
        accepted = 0
        while True:
            message = harness.mail(text=("x" * 70 + "\r\n") * (size // 72),
                                   message_id="%d-%d@client.test" % (size, accepted))
            try:
                self.mx.send(message)
            except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
                return accepted, error
            accepted += 1

    def is_taken(self):
        try:
            self.mx.send(harness.mail(text=("x" * 70 + "\r\n") * 9000, message_id="again@client.test"))
        except smtplib.SMTPSenderRefused as error:
            self.assertEqual((error.smtp_code, error.smtp_error[:5]), (452, b"4.3.1"))
            return False
        return True

    def test_small_and_large_messages(self):
        # Small ones live in the database, large ones in files; what is left over from the one is
        # too little for the other.
        large, error = self.fill(600 * 1024)
        self.assertEqual((error.smtp_code, error.smtp_error[:5]), (452, b"4.3.1"))
        small, error = self.fill(20 * 1024)
        self.assertEqual((error.smtp_code, error.smtp_error[:5]), (452, b"4.3.1"))
        self.assertGreater(large, 0)
        self.status = 200  # what was accepted goes out, and makes room
        harness.wait_until(lambda: not self.mx.command("queue", "list").stdout, "an empty queue")
        arrived = {post.json["message-id"] for post in self.sink.posts}
        self.assertEqual(len(arrived), large + small)
        harness.wait_until(self.is_taken, "room again")  # looked for each second
        harness.wait_until(lambda: any(post.json["message-id"] == "again@client.test"
                                       for post in self.sink.posts), "service again")

    def least_free(self, send):
        """What the disk had left at the least while this was sent, in bytes; it must be refused for that."""
        least, over = [1 << 60], threading.Event()

        def watch():
            while not over.is_set():
                disk = os.statvfs(self.disk)
                least[0] = min(least[0], disk.f_bavail * disk.f_frsize)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                send()
        finally:
            over.set()
            thread.join()
        self.assertEqual((refused.exception.smtp_code, refused.exception.smtp_error[:5]), (452, b"4.3.1"))
        return least[0]

    def test_one_message_takes_no_more_than_there_is(self):
        """Neither while it comes in, nor while it is rendered, which takes twice its size."""
        kept = (64 - 3) << 20  # the steps in which room is asked for, and what SQLite takes meanwhile
        line = '"' * 70 + "\r\n"
        self.assertGreater(self.least_free(lambda: self.mx.send(harness.mail(text=line * 200000))), kept)
        self.assertTrue(self.mx.logged("data-not-kept", "No space left on device"))
        self.assertGreater(self.least_free(lambda: self.mx.send(harness.mail(text=line * 60000))), kept)
        self.mx.send(harness.mail(text=line * 20000))

    def test_a_restart_on_a_full_disk_loses_nothing(self):
        accepted, _ = self.fill(600 * 1024)
        self.mx.kill()
        self.status = 200
        self.mx.start()
        harness.wait_until(lambda: not self.mx.command("queue", "list").stdout, "an empty queue")
        arrived = {post.json["message-id"] for post in self.sink.posts}
        self.assertEqual(len(arrived), accepted)


class SpoolFull(harness.TestCase):
    def is_taken(self, mx, message):
        """What the spool holds is measured once a second: until then it may seem too much."""
        try:
            mx.send(message)
            return True
        except smtplib.SMTPResponseException as refusal:
            self.assertEqual(refusal.smtp_code, 452)
            return False

    def until_full(self, mx, message):
        """Sends until it is refused, which says so; how many were taken depends on when it was last measured."""
        with self.assertRaises(smtplib.SMTPDataError) as caught:
            for accepted in range(10):
                mx.send(message)
        self.assertEqual((caught.exception.smtp_code, caught.exception.smtp_error[:5]), (452, b"4.3.1"))
        return accepted

    def test_no_more_than_max_size(self):
        self.status = 503
        sink = self.receiver(lambda post: self.status)
        mx = self.server(self.to(sink), """
            spool = { directory = "spool", max_size = "3 MiB" }
            deliver = { schedule = { '100ms' }, attempts = 1000, breaker_failures = 10000 }""")
        message = harness.mail(text=("x" * 70 + "\r\n") * 6000)
        self.assertGreater(self.until_full(mx, message), 3)
        self.assertTrue(mx.logged("spool-full", "max_size=3145728"))
        with mx.smtp() as client:  # the next is told before it sends its message
            client.ehlo()
            self.assertEqual(client.mail("a@client.test")[0], 452)
            with open(mx.config) as file:
                config = file.read()
            mx.write("mxhook.lua", config.replace("3 MiB", "30 MiB"))
            mx.reload()
            harness.wait_until(lambda: client.mail("a@client.test")[0] == 250, "a limit that was raised")
            client.rset()
            mx.write("mxhook.lua", config)
            mx.reload()
            self.until_full(mx, message)
            self.status = 200
            harness.wait_until(lambda: client.mail("a@client.test")[0] == 250, "room again")
        self.assertTrue(mx.logged("spool-recovered"))
        harness.wait_until(lambda: self.is_taken(mx, message), "room for a large one")
        harness.wait_until(lambda: not mx.command("queue", "list").stdout, "an empty queue")


if __name__ == "__main__":
    unittest.main()
