"""A damaged spool: it is noticed, nothing is thrown away, and what can be read is saved and arrives."""

import os
import random
import re
import shutil
import smtplib
import tempfile
import time
import unittest

import harness

PAGE = 16384
SMALL, LARGE = 60, 4
SEED = int(os.environ.get("MXHOOK_SEED", random.randrange(1 << 30)))


def text_of(number):
    return "%d %s" % (number, "small " * 300) if number < SMALL else \
        "\r\n".join("%d %s" % (number, "large " * 11) for _ in range(6000))


class Damage(harness.TestCase):
    """Each test begins with a copy of one spool, in which everything waits."""

    @classmethod
    def setUpClass(cls):
        cls.sink = harness.Receiver(lambda post: cls.status)
        cls.status = 503
        cls.base = harness.Server({"10-all.lua": "return function(msg) return '%s/' end" % cls.sink.url},
                                  "deliver = { schedule = { '1h' }, breaker_failures = 10000 }")
        with cls.base.smtp() as client:
            for number in range(SMALL + LARGE):
                client.sendmail("a@client.test", ["hook@example.com"],
                                harness.mail(message_id="m%d" % number, text=text_of(number)))
        harness.wait_until(lambda: len(cls.base.logged("retry")) == SMALL + LARGE, "the first attempts")
        assert cls.base.stop() == 0
        print("seed %d, a spool of %d pages" % (SEED, os.path.getsize(cls.base.folder + "/spool/spool.db") // PAGE))

    @classmethod
    def tearDownClass(cls):
        cls.base.close()
        cls.sink.close()

    def setUp(self):
        self.random = random.Random(SEED)
        self.folder = tempfile.mkdtemp(prefix="mxhook-damage-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.rmdir(self.folder)
        shutil.copytree(self.base.folder, self.folder)
        self.mx = harness.Server({}, folder=self.folder, start=False)
        shutil.copy(self.base.config, self.folder)
        self.db = os.path.join(self.folder, "spool", "spool.db")
        self.bodies = os.path.join(self.folder, "spool", "bodies")
        self.saved = os.path.join(self.folder, "saved")

    def overwrite(self, page, bytes_=None):
        with open(self.db, "r+b") as file:
            file.seek(page * PAGE)
            file.write(bytes_ or self.random.randbytes(PAGE))

    def check_refused(self):
        """It does not start, says why and what to do, and leaves everything as it is."""
        with open(self.db, "rb") as file:
            before = file.read()
        files = sorted(os.listdir(self.bodies))
        with self.assertRaises(AssertionError):
            self.mx.start()
        self.assertEqual(self.mx.process.wait(), 1)
        self.assertRegex(self.mx.log(), r"not-started error=.*(damaged|missing).*mxhook queue export --to FOLDER")
        with open(self.db, "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(sorted(os.listdir(self.bodies)), files)

    def export(self):
        """(messages in the new spool by their number, the command's output)."""
        shutil.rmtree(self.saved, ignore_errors=True)
        done = self.mx.command("queue", "export", "--to", self.saved)
        self.assertIn(done.returncode, (0, 1), done)
        self.assertEqual(done.stderr, "")
        count = int(re.search(r"^(\d+) deliveries saved", done.stdout, re.M).group(1))
        self.assertLessEqual(count, SMALL + LARGE)
        if count < SMALL + LARGE:
            self.assertEqual(done.returncode, 1, done.stdout)
        return count, done.stdout

    def arrive(self, count):
        """The new spool takes the old one's place, and all that is in it arrives as it was sent."""
        shutil.rmtree(os.path.join(self.folder, "spool"))
        os.rename(self.saved, os.path.join(self.folder, "spool"))
        self.sink.posts.clear()
        type(self).status = 200
        try:
            self.mx.start()
            self.mx.command("queue", "retry", "--since", "1d")
            harness.wait_until(lambda: not self.mx.command("queue", "list").stdout, "an empty queue")
            self.assertEqual(self.mx.stop(), 0)
        finally:
            type(self).status = 503
        arrived = {post.json["message-id"]: post.json["text"] for post in self.sink.posts}
        self.assertEqual(len(arrived), count)
        for name, text in arrived.items():
            self.assertEqual(text.strip(), text_of(int(name[1:])).replace("\r\n", "\n").strip())

    def test_a_sound_spool(self):
        count, output = self.export()
        self.assertEqual(count, SMALL + LARGE, output)
        self.arrive(count)

    def test_any_page_overwritten(self):
        pages, lost = os.path.getsize(self.db) // PAGE, []
        for page in range(1, pages):
            shutil.copy(os.path.join(self.base.folder, "spool", "spool.db"), self.db)
            self.overwrite(page)
            count, output = self.export()
            lost.append(SMALL + LARGE - count)
            if page == pages // 2:
                self.check_refused()
        print("a page overwritten, %d times: %.1f of %d deliveries lost on average, %d at most" % (
            len(lost), sum(lost) / len(lost), SMALL + LARGE, max(lost)))
        self.assertLess(sum(lost) / len(lost), (SMALL + LARGE) / 4)
        self.arrive(count)

    def test_the_header_overwritten(self):
        self.overwrite(0, self.random.randbytes(100))
        self.check_refused()
        count, output = self.export()
        self.assertIn("the database cannot be read", output)
        self.assertIn("%d files that no delivery names" % LARGE, output)
        self.assertEqual(len(os.listdir(os.path.join(self.saved, "found"))), LARGE)

    def test_cut_off(self):
        os.truncate(self.db, os.path.getsize(self.db) * 3 // 4 // PAGE * PAGE)
        self.check_refused()
        count, output = self.export()
        self.assertGreater(count, 0, output)
        self.arrive(count)

    def test_missing_or_emptied(self):
        os.truncate(self.db, 0)
        self.check_refused()
        os.unlink(self.db)
        with self.assertRaises(AssertionError):
            self.mx.start()
        self.assertIn("holds %d files of accepted mail" % LARGE, self.mx.log())
        self.assertEqual(len(os.listdir(self.bodies)), LARGE)

    def test_files_cut_off_or_missing(self):
        first, second = sorted(os.listdir(self.bodies))[:2]
        os.truncate(os.path.join(self.bodies, first), 1000)
        os.unlink(os.path.join(self.bodies, second))
        count, output = self.export()
        self.assertEqual(count, SMALL + LARGE - 2, output)
        self.assertEqual(len(re.findall("^lost: ", output, re.M)), 2, output)
        # The server finds them when they are due, and keeps them as failed, with the reason.
        self.mx.command("queue", "retry", "--since", "1d")
        self.mx.start()
        harness.wait_until(lambda: len(self.mx.logged("spool-unreadable")) == 2, "two that are unreadable")
        failed = self.mx.command("queue", "list", "--failed").stdout.splitlines()
        self.assertEqual(len([line for line in failed if "payload's file" in line]), 2)
        self.assertEqual(self.mx.stop(), 0)

    def test_damaged_while_it_runs(self):
        """New mail is deferred, the log says what to do and does not fill up, and the server stays."""
        self.mx.start()
        for page in range(1, os.path.getsize(self.db) // PAGE):
            self.overwrite(page)
        replies = []
        for number in range(3):
            try:
                self.mx.send(harness.mail(message_id="new%d" % number, text="n" * 40000))
                replies.append(250)
            except smtplib.SMTPDataError as error:
                replies.append(error.smtp_code)
        self.mx.command("queue", "retry", "--since", "1d")
        time.sleep(2)
        self.assertIn(replies[-1], (250, 451))
        self.assertIsNone(self.mx.process.poll())
        self.assertLess(len(self.mx.log().splitlines()), 500)
        self.mx.stop()

    def test_the_new_folder_must_be_new(self):
        os.mkdir(self.saved)
        done = self.mx.command("queue", "export", "--to", self.saved)
        self.assertEqual((done.returncode, done.stderr), (1, "mxhook queue: %s: is there already\n" % self.saved))


if __name__ == "__main__":
    unittest.main()
