"""postgres_faults_test.py - the failure matrix of the spool in PostgreSQL that cluster.py does not draw: each row a test."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import postgres
from harness import mail, wait_until
from ports import reserve_port
from postgres import Sender


@unittest.skipUnless(postgres.binaries(), "no PostgreSQL 15 or later here")
class FaultsTest(postgres.NodesTest):
    def test_slow_commits_make_groups_grow(self):
        self.pg.sql("ALTER SYSTEM SET commit_delay = 100000")
        self.pg.sql("ALTER SYSTEM SET commit_siblings = 0")
        self.pg.sql("SELECT pg_reload_conf()")
        receiver = self.receiver()
        node = self.node(receiver)
        senders = [Sender(node, "m%d" % i) for i in range(40)]
        for sender in senders:
            sender.join(60)
        self.assertEqual({sender.answer for sender in senders}, {250})
        receiver.wait_for(40)
        wait_until(lambda: self.count() == 0, "an empty spool")

    def test_a_read_only_server_and_too_many_connections_are_waited_out(self):
        receiver = self.receiver()
        node = self.node(receiver)
        self.pg.sql("ALTER SYSTEM SET default_transaction_read_only = on")
        self.pg.sql("SELECT pg_reload_conf()")
        node.wait_logged("spool-failed")  # its beats fail
        sender = Sender(node, "read-only")
        sender.join(40)
        self.assertEqual(sender.answer, 451)
        self.pg.sql("ALTER SYSTEM RESET default_transaction_read_only")
        self.pg.sql("SELECT pg_reload_conf()")
        node.wait_logged("spool-recovered")
        node.send(mail("writable"))
        self.pg.sql("CREATE ROLE busy LOGIN SUPERUSER; ALTER ROLE postgres CONNECTION LIMIT -1")
        self.pg.stop()
        self.pg.settings["max_connections"] = "4"
        self.pg.settings["superuser_reserved_connections"] = "0"
        self.pg.settings["max_wal_senders"] = "0"
        self.pg.start()
        hogs = [self.hog() for _ in range(6)]
        time.sleep(3)
        for hog in hogs:
            hog.kill()
            hog.wait()
        wait_until(lambda: self.taken(node), "mail to be taken again")

    def hog(self):
        return subprocess.Popen(["psql", "-XAtq", "-h", "127.0.0.1", "-p", str(self.pg.port), "-U", "busy", "-d", "postgres", "-c",
                                 "SELECT pg_sleep(60)"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def test_a_transaction_that_stays_open_is_warned_of(self):
        """Ten minutes at full rate, in seconds: mail goes on, retries are claimed, one node warns, and once."""
        refused = set()

        def answer(post):
            first = post.id not in refused
            refused.add(post.id)
            return 500 if first else 200
        receiver = self.receiver(answer)
        config = postgres.spool(self.pg, more='old_transaction = "1s"') + 'deliver = { schedule = { "200ms" }, breaker_failures = 1000 }\n'
        nodes = [self.server(self.to(receiver), config=config) for _ in range(2)]
        old = subprocess.Popen(["psql", "-XAtq", "-h", "127.0.0.1", "-p", str(self.pg.port), "-U", "postgres", "-d", "postgres", "-c",
                                "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM delivery; SELECT pg_sleep(60)"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (old.kill(), old.wait()))
        wait_until(lambda: sum(len(node.logged("spool-old-transaction")) for node in nodes), "a warning")
        for i in range(60):  # each is inserted, claimed for its second attempt and deleted, and what is dead stays
            nodes[i % 2].send(mail("meanwhile", text="z" * 3000))
        wait_until(lambda: self.count() == 0, "an empty spool")
        self.assertEqual(len({post.id for post in receiver.posts}), 60)
        self.pg.sql("VACUUM delivery")
        self.assertGreater(int(self.pg.sql("SELECT pg_relation_size('payload') / 4096")), 60 * 3000 / 4096)
        self.assertEqual(sum(len(node.logged("spool-old-transaction", 'who="postgres psql"')) for node in nodes), 1)

    def test_one_node_vacuums_where_nobody_else_does(self):
        receiver = self.receiver()
        config = postgres.spool(self.pg, more='old_transaction = "1s"')
        node = self.server(self.to(receiver), config=config)
        self.pg.sql("ALTER TABLE attempt SET (autovacuum_enabled = off)")
        self.pg.sql("INSERT INTO attempt SELECT n, n, 0, 0, '' FROM generate_series(1, 60000) n")
        self.pg.sql("DELETE FROM attempt")
        node.wait_logged("spool-vacuumed", "table=attempt")
        wait_until(lambda: self.pg.sql("SELECT n_dead_tup < 60000 FROM pg_stat_user_tables WHERE relname = 'attempt'") == "t",
                   "what is dead to be gone")

    def test_a_full_disk_is_452(self):
        """A tablespace's file system that is full looks like this to a client: SQLSTATE 53100."""
        receiver = self.receiver()
        node = self.node(receiver)
        self.pg.sql("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$; "
                    "CREATE TRIGGER full_disk BEFORE INSERT ON payload EXECUTE FUNCTION full_disk()")
        sender = Sender(node, "full")
        sender.join(40)
        self.assertEqual(sender.answer, 452)
        self.pg.sql("DROP TRIGGER full_disk ON payload")
        wait_until(lambda: self.taken(node), "room again")

    def test_a_deadlock_is_tried_again(self):
        receiver = self.receiver()
        node = self.node(receiver)
        self.pg.sql("CREATE SEQUENCE tries; CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "IF nextval('tries') < 4 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF; RETURN NULL; END $$; "
                    "CREATE TRIGGER twice BEFORE INSERT ON delivery EXECUTE FUNCTION twice()")
        node.send(mail("deadlock"))
        receiver.wait_for(1)
        wait_until(lambda: self.count() == 0, "an empty spool")

    def test_two_nodes_end_the_last_two_sharers_at_once(self):
        gate = threading.Event()
        receiver = self.receiver(lambda post: gate.wait(30) and 200)
        first = self.node(receiver)
        first.send(mail("shared", text="y" * 300000), ["a@example.com", "b@example.com"])
        receiver.wait_for(2)
        second = self.node(receiver)
        rows = self.pg.sql("SELECT row FROM delivery ORDER BY row").split()
        self.assertEqual(len(rows), 2)
        other = self.pg.sql("SELECT max(id) FROM node")
        first.process.send_signal(signal.SIGSTOP)  # or it would claim it again itself
        self.pg.sql("UPDATE delivery SET owner = NULL, due = 0 WHERE row = " + rows[1])
        wait_until(lambda: self.pg.sql("SELECT count(*) FROM delivery WHERE owner = " + other) == "1", "the second node's claim")
        first.process.send_signal(signal.SIGCONT)
        gate.set()
        wait_until(lambda: [self.count(t) for t in ("delivery", "payload", "tail", "chunk")] == [0] * 4, "nothing left")
        del second

    def test_an_upload_that_is_cut_is_swept(self):
        receiver = self.receiver()
        node, other = self.node(receiver), self.node(receiver)
        self.pg.sql("BEGIN; INSERT INTO staged SELECT 4242, min(id) FROM node; "
                    "INSERT INTO chunk SELECT 4242, n, 'x' FROM generate_series(0, 9) n; COMMIT")
        node.kill()
        wait_until(lambda: self.count("chunk") == 0 and self.count("staged") == 0, "the sweep", 30)
        del other

    def pooler(self, mode):
        """PgBouncer's port."""
        port = reserve_port()
        folder = self.pg.folder
        with open(folder + "/pgbouncer.ini", "w") as file:
            file.write("[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"
                       "auth_type = any\npool_mode = %s\nmax_client_conn = 50\ndefault_pool_size = 4\n"
                       "unix_socket_dir =\nserver_lifetime = 2\nignore_startup_parameters = extra_float_digits\n"
                       "auth_file = %s/users\n" % (self.pg.port, port, mode, folder))
        with open(folder + "/users", "w") as file:
            file.write('"postgres" ""\n')
        os.chmod(folder + "/pgbouncer.ini", 0o644)
        with open(folder + "/pgbouncer.log", "w") as log:
            pooler = subprocess.Popen(["/usr/sbin/pgbouncer", folder + "/pgbouncer.ini"], stdout=log, stderr=log, **postgres.as_postgres())
        self.addCleanup(lambda: (pooler.kill(), pooler.wait()))

        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_until(answers, "the pooler")
        return port

    @unittest.skipUnless(os.path.exists("/usr/sbin/pgbouncer"), "no pgbouncer here")
    def test_through_a_pooler_by_statements(self):
        """A batch is one Sync, so it stays with one server process in this mode, too."""
        receiver = self.receiver(lambda post: 500 if len(receiver.posts) in (3, 9) else 200)
        node = self.node(receiver, conninfo="host=127.0.0.1 port=%d user=postgres dbname=postgres" % self.pooler("statement"))
        for i in range(12):
            node.send(mail("m%d" % i, text="z" * (400000 if i == 5 else 10)))
        wait_until(lambda: self.count() == 0 and self.count("payload") == 0, "an empty spool")
        self.assertEqual(len({post.id for post in receiver.posts}), 12)
        wait_until(lambda: len(json.loads(node.command("history", "list", "--state", "delivered", "--json").stdout)["messages"]) == 12,
                   "all attempts in the history")

    @unittest.skipUnless(os.path.exists("/usr/sbin/pgbouncer"), "no pgbouncer here")
    def test_through_a_pooler(self):
        """Transaction mode: no session state is needed; a server process that goes is no harm."""
        port = self.pooler("transaction")
        receiver = self.receiver(lambda post: 500 if len(receiver.posts) in (3, 9) else 200)
        node = self.node(receiver, conninfo="host=127.0.0.1 port=%d user=postgres dbname=postgres" % port)
        for i in range(30):
            node.send(mail("m%d" % i, text="z" * (400000 if i == 5 else 10)))
            if i % 10 == 5:
                self.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                            "AND pid <> pg_backend_pid()")
        wait_until(lambda: self.count() == 0 and self.count("payload") == 0, "an empty spool")
        self.assertEqual(len({post.id for post in receiver.posts}), 30)

    def test_the_databases_clock_may_jump(self):
        """Due times are the database's: what waits by a clock that was an hour ahead is not sent twice, and is sent."""
        receiver = self.receiver(lambda post: 500 if len(receiver.posts) < 2 else 200)
        node = self.node(receiver, config='deliver = { schedule = { "2s" } }\n')
        node.send(mail("one"))
        wait_until(lambda: self.pg.sql("SELECT count(*) FROM delivery WHERE owner IS NULL AND attempts = 1") == "1", "a retry")
        self.pg.sql("UPDATE delivery SET due = due - 3600000, created = created - 3600000")
        wait_until(lambda: self.count() == 0, "its delivery")


if __name__ == "__main__":
    unittest.main()
