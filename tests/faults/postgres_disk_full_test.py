"""postgres_disk_full_test.py - a file system under PostgreSQL that is really full, of its tables and of its WAL: 452 or 451, nothing lost,
nothing sent twice, and service again when there is room. Needs root, for a small tmpfs."""

import collections
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import postgres
from harness import mail, wait_until
from postgres import Sender


@unittest.skipUnless(postgres.binaries(), "no PostgreSQL 15 or later here")
class DiskFullTest(postgres.NodesTest):
    def disk(self, megabytes):
        """A file system of so many."""
        folder = tempfile.mkdtemp(prefix="mxhook-disk-")
        self.addCleanup(os.rmdir, folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=%dm" % megabytes, "tmpfs", folder], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("no tmpfs can be mounted here: " + done.stderr.strip())
        self.addCleanup(lambda: (self.pg.close(), subprocess.run(["umount", folder], check=True)))
        shutil.chown(folder, "postgres", "postgres")
        return folder

    def enlarge(self, folder, megabytes):
        subprocess.run(["mount", "-o", "remount,size=%dm" % megabytes, folder], check=True)

    def fill(self, node):
        """Sends until several in a row are refused. What was answered how often."""
        answers, refused, end = collections.Counter(), 0, time.monotonic() + 60
        while refused < 4 and time.monotonic() < end:
            sender = Sender(node, "m", text=("z" * 76 + "\r\n") * (12000 if sum(answers.values()) % 2 else 400))
            sender.join(60)
            answers[sender.answer] += 1
            refused = 0 if sender.answer == 250 else refused + 1
        return answers

    def assert_all_arrive(self, node, receiver, accepted):
        """What was accepted is there, arrives, and once."""
        query = "SELECT count(*) FROM delivery d JOIN payload p ON p.row = d.payload"
        wait_until(lambda: self.database_sql(query) == str(accepted), "what was accepted, and no more")
        self.status = 200
        receiver.posts.clear()
        wait_until(lambda: node.command("queue", "retry", "--all", "--now").returncode == 0, "all to be due")
        wait_until(lambda: self.database_sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        self.assertEqual((len({post.id for post in receiver.posts}), len(receiver.posts)), (accepted, accepted))

    def database_sql(self, sql):
        return self.pg.sql(sql, self.database)

    def begin(self):
        self.status = 500
        receiver = self.receiver(lambda post: self.status)
        config = 'deliver = { schedule = { "1h" }, breaker_failures = 100000, max_per_origin = 100 }\n'
        return receiver, self.node(receiver, config, conninfo=self.pg.conninfo().replace("dbname=postgres", "dbname=" + self.database),
                                   timeout="2s")

    def test_of_the_tables(self):
        disk = self.disk(16)
        self.database = "small"
        self.pg.sql("CREATE TABLESPACE small LOCATION '%s'" % disk)
        self.pg.sql("CREATE DATABASE small TABLESPACE small")
        receiver, node = self.begin()
        answers = self.fill(node)
        self.assertEqual(set(answers), {250, 452}, answers)
        self.assertTrue(node.logged("spool-failed", "No space left on device"), node.log())
        self.enlarge(disk, 200)
        wait_until(lambda: self.taken(node), "mail to be taken again")
        self.assert_all_arrive(node, receiver, answers[250] + 1)

    def test_of_the_wal(self):
        """The server itself goes down then, and does not start again before there is room."""
        self.database = "postgres"
        self.pg.stop()
        disk = self.disk(33)
        wal = os.path.join(self.pg.data, "pg_wal")
        subprocess.run(["cp", "-rp", wal, disk], check=True)
        shutil.rmtree(wal)
        os.symlink(os.path.join(disk, "pg_wal"), wal)
        self.pg.settings.update(max_wal_size="'1GB'", min_wal_size="'32MB'", wal_keep_size="'0'")
        self.pg.start()
        receiver, node = self.begin()
        answers = self.fill(node)
        self.assertEqual(set(answers), {250, 451}, answers)
        wait_until(lambda: "No space left on device" in self.pg.log(), "a full disk")
        self.enlarge(disk, 300)
        if self.pg.process.poll() is not None:
            self.pg.start()
        wait_until(lambda: self.taken(node), "mail to be taken again")
        self.assert_all_arrive(node, receiver, answers[250] + 1)
        self.assertTrue(node.logged("spool-recovered"), node.log())


if __name__ == "__main__":
    unittest.main()
