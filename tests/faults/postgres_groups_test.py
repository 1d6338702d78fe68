"""postgres_groups_test.py - groups that are sent again while somebody else works on the same rows: interleavings that a fault
makes possible, each forced by a trigger that waits for a lock of the test's."""

import signal
import subprocess
import threading
import time
import unittest

import harness
import postgres
from harness import mail, wait_until
from postgres import Sender

FAST = 'deliver = { schedule = { "200ms" } }\n'
BROKEN = """SELECT (SELECT count(*) FROM delivery d LEFT JOIN payload p ON p.row = d.payload LEFT JOIN tail t ON t.row = p.tail
                    WHERE p.row IS NULL OR (p.tail IS NOT NULL AND t.row IS NULL)),
                   (SELECT count(*) FROM payload p WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.payload = p.row)),
                   (SELECT count(*) FROM tail t WHERE NOT EXISTS (SELECT 1 FROM payload p WHERE p.tail = t.row))"""


class GroupsTest(postgres.DatabaseCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.pg.synchronous, "")

    def node(self, receiver, config=FAST, rules=None):
        return self.server(rules or self.to(receiver), config=postgres.spool(self.conninfo) + config)

    def psql(self, *arguments):
        return ["psql", "-XAtq", "-h", "127.0.0.1", "-p", str(self.pg.port), "-U", "postgres", "-d", self.database, *arguments]

    def without_standby(self):
        """From now on no commit is acknowledged. A checkpointer that is busy is late to tell the others: so one is tried."""
        self.pg.synchronous("nobody")
        probing = "wait_event = 'SyncRep' AND query LIKE '%a probe%'"

        def in_force():
            probe = subprocess.Popen(self.psql("-c", "SELECT pg_logical_emit_message(true, 'a probe', '')"),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: probe.poll() is not None or self.waiting(probing), "a commit")
            waited = probe.poll() is None
            self.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE " + probing)
            probe.wait(harness.PATIENCE)
            return waited
        wait_until(in_force, "commits to wait")

    def session(self, sql):
        """psql with these statements, whose input stays open: what it locks stays locked until it is closed."""
        psql = subprocess.Popen(self.psql(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (psql.kill(), psql.wait(), psql.stdin.close(), psql.stdout.close()))
        psql.stdin.write(sql + "\nSELECT 'done';\n")
        psql.stdin.flush()
        return psql

    def stall(self, table, when="true"):
        """From now on locked() can make what is inserted there wait."""
        self.sql("CREATE TABLE stalling (n integer); CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                 "IF EXISTS (SELECT 1 FROM stalling) THEN PERFORM pg_advisory_xact_lock_shared(77); END IF; RETURN NEW; END $$; "
                 "CREATE TRIGGER stall BEFORE INSERT ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION stall()" % (table, when))

    def locked(self):
        """It waits until this session is killed."""
        psql = self.session("SET synchronous_commit = local; SELECT pg_advisory_lock(77); INSERT INTO stalling VALUES (1);")
        self.assertIn("done", iter(lambda: psql.stdout.readline().strip(), None))
        return psql

    def waiting(self, event):
        return int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = '%s' AND %s" % (self.database, event)))

    def test_one_that_others_end_meanwhile_stays_whole(self):
        """The first try is stored, but not known to be; another node ends its deliveries between two statements of the
        second. Then nothing of it may be there without the rest."""
        receiver = self.receiver()
        node = self.node(receiver, FAST + 'spool.commit_timeout = "2m"\n')
        self.stall("payload")
        for large in (False, True):
            node.send(mail("before"))  # so that it has numbers for rows
            wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
            held = self.session("BEGIN; LOCK TABLE payload IN SHARE MODE;")
            self.assertIn("done", iter(lambda psql=held: psql.stdout.readline().strip(), None))
            sender = Sender(node, "again", text="y" * (300000 if large else 30), recipients=["a@example.com", "b@example.com"])
            first = wait_until(lambda: self.sql("SELECT min(pid) FROM pg_stat_activity WHERE wait_event = 'relation' AND backend_type = 'client backend'"),
                               "the first try")
            self.without_standby()
            held.kill()
            wait_until(lambda: self.waiting("wait_event = 'SyncRep' AND pid = " + first), "the wait for a standby")
            held = self.locked()
            self.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            wait_until(lambda: self.waiting("wait_event = 'advisory'"), "the second try")
            other = self.session("SET synchronous_commit = local; BEGIN; DELETE FROM delivery; SELECT 1 FROM payload FOR UPDATE; "
                                 "DELETE FROM payload p WHERE NOT EXISTS (SELECT 1 FROM delivery d WHERE d.payload = p.row); "
                                 "SELECT 1 FROM tail FOR UPDATE; "
                                 "DELETE FROM tail t WHERE NOT EXISTS (SELECT 1 FROM payload p WHERE p.tail = t.row); COMMIT;")
            wait_until(lambda: self.waiting("wait_event IN ('transactionid', 'tuple')")
                       or self.sql("SELECT count(*) FROM delivery") == "0", "the other end, or its wait")
            node.process.send_signal(signal.SIGSTOP)  # it must not end what it has stored before it was looked at
            held.kill()
            self.pg.synchronous("")
            self.sql("DELETE FROM stalling")
            other.stdin.close()
            other.wait(30)
            wait_until(lambda: not self.waiting("state = 'active' AND pid <> pg_backend_pid()"), "both to end")
            self.assertEqual(self.sql(BROKEN), "0|0|0")
            node.process.send_signal(signal.SIGCONT)
            sender.join(40)
            self.assertEqual(sender.answer, 250)
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        self.assertEqual(self.sql(BROKEN), "0|0|0")

    def test_a_large_upload_does_not_hold_back_the_groups(self):
        receiver = self.receiver()
        node = self.node(receiver)
        self.stall("chunk")
        held = self.locked()
        large = Sender(node, "large", text="y" * 900000)
        wait_until(lambda: self.waiting("wait_event = 'advisory'"), "the upload")
        for i in range(5):
            small = Sender(node, "small%d" % i)
            small.join(40)
            self.assertEqual(small.answer, 250)
        receiver.wait_for(5)
        self.assertEqual((large.answer, self.sql("SELECT count(*) FROM payload WHERE bytes IS NULL")), (None, "0"))
        held.kill()
        large.join(60)
        self.assertEqual(large.answer, 250)
        receiver.wait_for(6)
        wait_until(lambda: self.sql("SELECT (SELECT count(*) FROM staged) + (SELECT count(*) FROM chunk)") == "0", "an empty spool")

    def test_an_upload_of_a_node_that_dies_half_way_is_swept(self):
        """Also what the server stores of it after the death was noticed."""
        receiver = self.receiver()
        node, other = self.node(receiver), self.node(receiver)
        self.stall("chunk", "NEW.n >= 32")
        held = self.locked()
        large = Sender(node, "large", text="y" * 4000000)
        wait_until(lambda: self.waiting("wait_event = 'advisory'"), "the second half")
        self.assertNotEqual(self.sql("SELECT count(*) FROM chunk"), "0")
        node.kill()
        other.wait_logged("node-dead")
        held.kill()
        wait_until(lambda: not self.waiting("wait_event = 'advisory'"), "the end of what was under way")
        self.node(receiver)  # looks for it at once, the other in a minute
        wait_until(lambda: self.sql("SELECT (SELECT count(*) FROM staged) + (SELECT count(*) FROM chunk)") == "0", "the sweep")
        self.assertEqual(self.sql(BROKEN), "0|0|0")
        large.join(40)
        self.assertNotEqual(large.answer, 250)
        del other

    def test_what_cannot_go_up_is_refused_and_swept(self):
        receiver = self.receiver()
        node = self.node(receiver)
        self.sql("ALTER TABLE chunk ADD CONSTRAINT c CHECK (n < 3)")
        sender = Sender(node, "large", text="y" * 900000)
        sender.join(40)
        self.assertEqual(sender.answer, 451)
        node.wait_logged("spool-failed", "at=upload", "violates check constraint")
        Sender(node, "small").join(40)
        receiver.wait_for(1)
        wait_until(lambda: self.sql("SELECT (SELECT count(*) FROM staged) + (SELECT count(*) FROM chunk)") == "0", "the sweep")
        self.sql("ALTER TABLE chunk DROP CONSTRAINT c")
        again = Sender(node, "large", text="y" * 900000)
        again.join(40)
        self.assertEqual((again.answer, node.stop()), (250, 0))

    def test_chunks_that_were_swept_go_up_again(self):
        """Paused between its chunks and its group, a node is taken for dead, and its chunks are removed."""
        gate = threading.Event()
        receiver = self.receiver(lambda post: len(post.body) < 900000 and 200 or gate.wait(60) and 200)
        self.addCleanup(gate.set)
        node = self.node(receiver)
        node.send(mail("before"))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        self.stall("delivery")
        held = self.locked()
        sender = Sender(node, "large", text="y" * 900000)
        wait_until(lambda: self.waiting("wait_event = 'advisory'"), "the group")
        self.assertNotEqual(self.sql("WITH gone AS (DELETE FROM staged RETURNING blob) SELECT count(*) FROM gone"), "0")
        self.sql("DELETE FROM chunk")
        held.kill()
        sender.join(40)
        self.assertEqual(sender.answer, 250)
        receiver.wait_for(2)
        node.kill()  # so that another one must read what is stored
        gate.set()
        self.node(receiver)
        receiver.wait_for(3)
        self.assertEqual(receiver.posts[1].body, receiver.posts[2].body)

    def test_numbers_and_chunks_are_kept_before_a_group_uses_them(self):
        """Though commits of the database are asynchronous: else a server that goes meanwhile gives numbers again, or keeps a part
        of the chunks."""
        self.sql("ALTER SYSTEM SET wal_writer_delay = '10s'")
        self.sql("SELECT pg_reload_conf()")
        self.addCleanup(self.pg.sql, "SELECT pg_reload_conf()")
        self.addCleanup(self.pg.sql, "ALTER SYSTEM RESET wal_writer_delay")
        self.sql("ALTER DATABASE %s SET synchronous_commit = off" % self.database)
        node = self.node(self.receiver(), FAST + 'spool.commit_timeout = "2m"\n')
        self.stall("delivery")
        for size, kept in ((10, "SELECT is_called FROM row_block"), (700000, "SELECT sum(octet_length(bytes)) > 700000 FROM chunk")):
            self.locked()
            sender = Sender(node, "m", text="y" * size)
            wait_until(lambda: self.waiting("wait_event = 'advisory'"), "the group")
            node.process.send_signal(signal.SIGSTOP)
            self.pg.kill()
            self.pg.start()
            there = self.sql(kept)
            node.process.send_signal(signal.SIGCONT)
            sender.join(60)
            self.assertEqual((there, sender.answer), ("t", 250), (size, node.log()))

    def test_chunks_of_a_group_that_is_stored_are_not_swept(self):
        """A node that sent its chunks again dies, but its first try was stored."""
        gone = self.node(self.receiver())
        self.sql("INSERT INTO payload VALUES (4242, 4242, NULL, 30, NULL)")
        self.sql("INSERT INTO staged SELECT blob, id FROM node, (VALUES (4242), (4243)) b(blob)")
        self.sql("INSERT INTO chunk SELECT blob, n, 'x' FROM generate_series(0, 9) n, (VALUES (4242), (4243)) b(blob)")
        self.assertEqual(gone.stop(), 0)
        self.assertEqual(self.sql("SELECT count(*), min(blob) FROM chunk"), "10|4242")
        self.assertEqual(self.sql("SELECT count(*) FROM staged"), "0")

    def test_an_answer_is_not_taken_for_anothers(self):
        """A claim's rows come, but the answer to its commit does not, in time. What is sent after that is not done before it
        is; least of all a message stored."""
        receiver = self.receiver(lambda post: 200 if len(receiver.posts) > 4 else 500)
        url = receiver.url + "/?" + "x" * 4000
        node = self.node(receiver, config='deliver = { schedule = { "1m" } }\n',
                         rules={"10.lua": "return function(msg) return '%s' end" % url})
        for i in range(4):
            node.send(mail("m%d" % i))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE attempts = 1") == "4", "retries")
        self.without_standby()
        self.sql("SET synchronous_commit = local; UPDATE delivery SET due = 0")
        wait_until(lambda: self.waiting("wait_event = 'SyncRep' AND clock_timestamp() - query_start > '6s'"), "its time to be over")
        sender = Sender(node, "not stored")
        sender.join(40)
        self.assertNotEqual(sender.answer, 250)
        self.pg.synchronous("")
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "all deliveries", 120)
        self.assertEqual(len({post.id for post in receiver.posts}), 4)

    def test_another_deliverys_row_is_not_taken_for_stored(self):
        """A sequence that was set back, as when tables are restored by hand: the message is refused, the next takes other rows."""
        receiver = self.receiver()
        node = self.node(receiver)
        node.send(mail("before"))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        timeline, block = self.sql("SELECT 1::bigint << 44, last_value FROM row_block").split("|")
        self.sql("INSERT INTO delivery SELECT %s + %s + n, 1, 1, 1, NULL, extract(epoch FROM now()) * 1000, NULL, 1, 1, 1, 500, 'other-' || n, 'http://x/', NULL, "
                 "NULL, '', '' FROM generate_series(0, 9) n" % (timeline, block))
        sender = Sender(node, "taken")
        sender.join(40)
        self.assertEqual(sender.answer, 451)
        self.assertEqual(self.sql("SELECT count(*) FROM delivery WHERE id LIKE 'other-%'"), "10")
        node.send(mail("next"))
        receiver.wait_for(2)
        self.assertTrue(node.logged("spool-failed", "division by zero"))


if __name__ == "__main__":
    unittest.main()
