"""postgres_versions_test.py - two versions of mxhook on one PostgreSQL, in both orders. MXHOOK_OLDER names the binary of an older
one, whose schema may be older too; without it the same one plays both, on tables that are made to look like a newer version's."""

import os
import unittest

import harness
import postgres
from harness import mail, wait_until

OLDER = os.environ.get("MXHOOK_OLDER", harness.MXHOOK)
CONFIG = 'deliver = { schedule = { "200ms" }, attempts = 1000, breaker_failures = 100000 }\n'
# What a newer version adds, as schema.c promises: columns with defaults, tables, another number.
NEWER = ("ALTER TABLE delivery ADD newer text; ALTER TABLE payload ADD newer bigint NOT NULL DEFAULT 7; ALTER TABLE node ADD newer text; "
         "ALTER TABLE held ADD newer bigint NOT NULL DEFAULT 7; CREATE TABLE newer (n bigint); UPDATE meta SET version = version + 1")


class VersionsTest(postgres.DatabaseCase):
    def setUp(self):
        super().setUp()
        self.refused = set()
        self.receiver_ = self.receiver(self.answer)

    def answer(self, post):
        """Each is refused once, so that all go through a claim, by whichever node."""
        first = post.id not in self.refused
        self.refused.add(post.id)
        return 500 if first else 200

    def node(self, program, migrate=False):
        return self.server(self.to(self.receiver_), config=postgres.spool(self.conninfo, migrate) + CONFIG, program=program)

    def version(self):
        return int(self.sql("SELECT version FROM meta"))

    def send_to(self, *nodes):
        for i, node in enumerate(nodes):
            for size in (10, 20000, 700000):
                node.send(mail("m", text="z" * size), ["a@example.com", "b@example.com"] if i % 2 else ["a@example.com"])

    def wait_empty(self):
        wait_until(lambda: all(self.sql("SELECT count(*) FROM " + table) == "0" for table in ("delivery", "payload", "tail", "chunk", "staged")),
                   "empty tables")

    def work_together(self, older, newer):
        """Each takes over the other's work, and sees it in the lists."""
        self.send_to(older, newer)
        self.wait_empty()
        self.assertEqual(newer.command("nodes").stdout.count("\n"), 2)
        for victim, other in ((older, newer), (newer, older)):
            self.answer_ = self.receiver_.answer
            self.receiver_.answer = lambda post: 500
            self.send_to(victim)
            wait_until(lambda: int(self.sql("SELECT count(*) FROM delivery")) >= 3, "three that wait")
            victim.kill()
            self.assertEqual(other.command("queue", "list").returncode, 0)
            self.receiver_.answer = self.answer_
            self.wait_empty()
            victim.start()
        self.send_to(older, newer)
        self.wait_empty()

    def test_an_older_one_is_there_first(self):
        older = self.node(OLDER, migrate=True)
        self.send_to(older)
        before = self.version()
        newer = harness.Server(self.to(self.receiver_), config=postgres.spool(self.conninfo, False) + CONFIG, start=False)
        self.addCleanup(newer.close)
        done = newer.command("store", "migrate")
        self.assertEqual(done.returncode, 0, done.stderr)
        if OLDER == harness.MXHOOK:
            self.sql(NEWER)
        print("schema %d, and %d" % (before, self.version()))
        self.work_together(older, self.node(harness.MXHOOK))

    @unittest.skipUnless("MXHOOK_OLDER" in os.environ, "the same binary plays both: one order is enough")
    def test_a_newer_one_is_there_first(self):
        newer = self.node(harness.MXHOOK, migrate=True)
        self.send_to(newer)
        self.work_together(self.node(OLDER), newer)

    def test_one_that_does_not_fit_says_so(self):
        """Both ways: a schema that is too old for the program, and one for which the program is too old; nothing is changed."""
        self.node(harness.MXHOOK, migrate=True).stop()
        version = self.version()
        for change, text in (("version = version - 1", "made by an older mxhook (schema %d, this one needs %d): run `mxhook store migrate`"
                              % (version - 1, version)),
                             ("version = version + 1, oldest = 99", "made by a newer mxhook, for which this one is too old (schema %d, this one "
                              "knows %d)" % (version + 1, version))):
            self.sql("UPDATE meta SET " + change)
            alone = harness.Server({}, config=postgres.spool(self.conninfo, False), start=False)
            self.addCleanup(alone.close)
            for command in (["run"], ["queue", "list"], ["nodes"]):
                done = alone.command(*command)
                self.assertEqual((done.returncode, text in done.stderr), (1, True), (command, done.stderr))
            self.sql("UPDATE meta SET version = %d, oldest = 1" % version)


if __name__ == "__main__":
    unittest.main()
