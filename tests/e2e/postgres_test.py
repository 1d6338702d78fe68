"""postgres_test.py - the spool in PostgreSQL: what is stored, shown and changed, and what is wrong is said."""

import os
import signal
import subprocess
import time
import unittest

import harness
import postgres
from harness import mail, wait_until

TABLES = ("delivery", "payload", "tail", "chunk", "staged", "attempt")
FAST = 'deliver = { schedule = { "100ms", "100ms" } }\n'


def spool(pg, migrate=True, more=""):
    conninfo = pg if isinstance(pg, str) else pg.conninfo()
    return 'spool = { directory = "spool", postgres = "%s", migrate = %s %s }\n' % (conninfo, str(migrate).lower(), more)


@unittest.skipUnless(postgres.binaries(), "no PostgreSQL 15 or later here")
class PostgresTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pg = postgres.Postgres()

    @classmethod
    def tearDownClass(cls):
        cls.pg.close()

    def setUp(self):
        self.database = "t%d" % time.monotonic_ns()
        self.pg.sql("CREATE DATABASE " + self.database)
        self.conninfo = self.pg.conninfo().replace("dbname=postgres", "dbname=" + self.database)

    def sql(self, sql):
        return self.pg.sql(sql, self.database)

    def node(self, receiver, config=FAST, **named):
        rules = self.to(receiver) if not isinstance(receiver, dict) else receiver
        return self.server(rules, config=spool(self.conninfo) + config, **named)

    def wait_empty(self):
        wait_until(lambda: all(self.sql("SELECT count(*) FROM " + table) == "0" for table in TABLES), "empty tables")

    def test_all_arrives_and_nothing_stays(self):
        receiver = self.receiver()
        server = self.node(receiver)
        for i in range(20):
            server.send(mail("m%d" % i, text="x" * (900000 if i == 3 else 100)), ["a@example.com", "b@example.com"])
        receiver.wait_for(40)
        self.wait_empty()
        self.assertEqual(len({post.id for post in receiver.posts}), 40)
        self.assertEqual(len({len(post.body) for post in receiver.posts if len(post.body) > 900000}), 1)
        self.assertEqual(os.listdir(server.folder + "/spool"), ["srs.key"])

    def test_failed_ones_are_shown_retried_and_dropped(self):
        status = [500]
        receiver = self.receiver(lambda post: status[0])
        server = self.node(receiver)
        server.send(mail("one"))
        server.send(mail("big", text="y" * 700000), ["a@example.com", "b@example.com"])
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE due IS NULL") == "3", "three failed ones")
        self.assertEqual(self.sql("SELECT count(*) FROM tail"), "1")
        lines = server.command("queue", "list", "--failed").stdout.splitlines()
        self.assertEqual([line.split()[1:3] for line in lines], [["failed", "3"]] * 3)
        shown = server.command("queue", "show", lines[0].split()[0]).stdout
        self.assertEqual(shown.count("\nattempt "), 3)
        self.assertIn('"subject":"one"', shown)
        dropped = lines[1].split()[0]
        self.assertEqual(server.command("queue", "drop", dropped).returncode, 0)
        self.assertEqual(server.command("queue", "drop", dropped).returncode, 1)
        self.assertEqual(server.command("queue", "retry", "nothing").returncode, 1)
        status[0] = 200
        before = len(receiver.posts)
        self.assertEqual(server.command("queue", "retry", "--all-failed").stdout, "2\n")
        receiver.wait_for(before + 2)
        self.wait_empty()
        self.assertEqual({post.id for post in receiver.posts[before:]}, {line.split()[0] for line in (lines[0], lines[2])})

    def test_bytes_come_back_as_they_went(self):
        receiver = self.receiver(lambda post: 503)
        server = self.node({"10.lua": r"""return function(msg)
            return { url = '%s/a%%C3?a=b', secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', headers = { ["X-A"] = "\228\254" } } end"""
                            % receiver.url}, config='deliver = { attempts = 2, schedule = { "50ms" } }\n')
        server.send(mail("bytes"))
        wait_until(lambda: len(receiver.posts) == 2, "two attempts")
        self.assertEqual(receiver.posts[0].path, receiver.posts[1].path)
        self.assertEqual(receiver.posts[0].headers["X-A"], receiver.posts[1].headers["X-A"])
        self.assertEqual(receiver.posts[0].body, receiver.posts[1].body)

    def test_a_dead_node_is_taken_over(self):
        receiver = self.receiver(lambda post: 503)
        first = self.node(receiver, config='deliver = { schedule = { "1s" }, attempts = 50 }\n')
        slow = threading_gate(self)
        held = self.receiver(slow.answer)
        victim = self.node(held)
        for i in range(10):
            victim.send(mail("m%d" % i))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE owner IS NOT NULL") == "10", "ten in hand")
        victim.kill()
        start = time.monotonic()
        slow.open()
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "the takeover", 30)
        took = time.monotonic() - start
        self.assertLess(took, 20)
        self.assertEqual(len({post.id for post in held.posts}), 10)
        self.assertTrue(first.logged("node-dead") and first.logged("node-takeover", "deliveries=10"))

    def test_a_node_that_wakes_after_its_death_takes_a_new_number(self):
        receiver = self.receiver()
        first, second = self.node(receiver), self.node(receiver)
        second.process.send_signal(signal.SIGSTOP)
        first.wait_logged("node-dead")
        second.process.send_signal(signal.SIGCONT)
        second.wait_logged("node-declared-dead")
        wait_until(lambda: len(second.logged("node ")) == 0 and len(second.logged("node")) == 2, "a second number")
        second.send(mail("after"))
        receiver.wait_for(1)
        self.wait_empty()

    def test_nodes_share_their_secrets(self):
        receiver = self.receiver()
        keys = []
        for server in (self.node(receiver), self.node(receiver)):
            with open(server.folder + "/spool/srs.key") as file:
                keys.append(file.read())
            self.assertEqual(os.stat(server.folder + "/spool/srs.key").st_mode & 0o777, 0o600)
        self.assertEqual(len(keys[0]), 65)
        self.assertEqual(keys[0], keys[1])

    def test_what_is_wrong_is_said(self):
        cases = [
            ("host=127.0.0.1 port=1 dbname=x", "refused"),
            ("no conninfo", "in connection info string"),
            (self.pg.conninfo().replace("dbname=postgres", "dbname=nowhere"), "does not exist"),
            (self.conninfo + " user=nobody", "does not exist"),
        ]
        for conninfo, text in cases:
            server = harness.Server({}, config=spool(conninfo), start=False)
            self.addCleanup(server.close)
            done = server.command("run")
            self.assertEqual(done.returncode, 1, conninfo)
            self.assertIn("spool.postgres: ", done.stderr)
            self.assertIn(text, done.stderr)

    def start_alone(self, conninfo, migrate=False):
        server = harness.Server({}, config=spool(conninfo, migrate), start=False)
        self.addCleanup(server.close)
        return server.command("run")

    def test_tables_that_are_not_this_version(self):
        self.assertIn("no tables of mxhook", self.start_alone(self.conninfo).stderr)
        receiver = self.receiver()
        self.node(receiver).stop()
        self.sql("UPDATE meta SET version = 0")
        self.assertIn("no tables", self.start_alone(self.conninfo).stderr)
        self.sql("UPDATE meta SET version = 99, oldest = 98")
        self.assertIn("too old", self.start_alone(self.conninfo).stderr)
        self.sql("UPDATE meta SET version = 99, oldest = 1")
        self.node(receiver, config=FAST).send(mail("a newer schema that this program may use"))
        receiver.wait_for(1)

    def test_without_rights_it_says_so(self):
        self.sql("CREATE ROLE weak%s LOGIN" % self.database)
        weak = self.conninfo.replace("user=postgres", "user=weak" + self.database)
        self.assertIn("permission denied", self.start_alone(weak, True).stderr)
        self.node(self.receiver()).stop()
        self.assertIn("permission denied", self.start_alone(weak).stderr)

    def test_a_table_that_was_tampered_with_loses_nothing_else(self):
        receiver = self.receiver()
        server = self.node(receiver)
        self.sql("ALTER TABLE payload ADD CONSTRAINT c CHECK (size < 100000)")
        with self.assertRaises(Exception):
            server.send(mail("big", text="y" * 150000))
        server.send(mail("small"))
        receiver.wait_for(1)
        self.sql("ALTER TABLE payload DROP CONSTRAINT c")
        server.send(mail("big", text="y" * 150000))
        receiver.wait_for(2)
        self.wait_empty()


class threading_gate:
    """Answers wait until it is opened."""

    def __init__(self, test):
        import threading
        self.event = threading.Event()
        test.addCleanup(self.event.set)

    def answer(self, post):
        self.event.wait(30)
        return 200

    def open(self):
        self.event.set()


if __name__ == "__main__":
    unittest.main()
