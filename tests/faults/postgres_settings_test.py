"""postgres_settings_test.py - what an administrator may have set for the role or the database: it works, or a line says what must
be otherwise; and what was answered 250 is kept in any case."""

import os
import signal
import subprocess
import tempfile
import unittest

import harness
import postgres
from harness import mail, wait_until

FAST = 'deliver = { schedule = { "200ms", "200ms" } }\n'


class SettingsTest(postgres.DatabaseCase):
    def role(self, *settings):
        """The conninfo of a role of its own, with these settings."""
        name = "r" + self.database
        self.sql("CREATE ROLE %s SUPERUSER LOGIN" % name)
        for setting in settings:
            self.sql("ALTER ROLE %s SET %s" % (name, setting))
        return self.conninfo.replace("user=postgres", "user=" + name)

    def node(self, receiver, conninfo, config=FAST, **named):
        return self.server(self.to(receiver), config=postgres.spool(conninfo) + config, **named)

    def refused(self, conninfo, *parts):
        server = harness.Server({}, config=postgres.spool(conninfo), start=False)
        self.addCleanup(server.close)
        done = server.command("run")
        self.assertEqual((done.returncode, done.stderr.count("spool.postgres: ")), (1, 1), done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr, done.stderr)

    def test_what_is_answered_250_does_not_go_with_the_server(self):
        """Though commits of the role are asynchronous."""
        self.pg.sql("ALTER SYSTEM SET wal_writer_delay = '10s'")
        self.pg.sql("SELECT pg_reload_conf()")
        self.addCleanup(self.pg.sql, "SELECT pg_reload_conf()")
        self.addCleanup(self.pg.sql, "ALTER SYSTEM RESET wal_writer_delay")
        receiver = self.receiver(lambda post: 500)
        node = self.node(receiver, self.role("synchronous_commit = off"), 'deliver = { schedule = { "1h" } }\n')
        for i in range(3):
            node.send(mail("m%d" % i, text="z" * (700000 if i == 2 else 10)))
        self.pg.kill()
        node.kill()
        self.pg.start()
        self.assertEqual(self.sql("SELECT count(*) FROM delivery d JOIN payload p ON p.row = d.payload"), "3")
        self.assertEqual(self.sql("SELECT sum(octet_length(bytes)) > 700000 FROM chunk"), "t")

    def test_time_limits_of_the_role(self):
        """Connections that are ended when they idle; statements and transactions that may not last."""
        conninfo = self.role("idle_session_timeout = '300ms'", "statement_timeout = '10s'", "idle_in_transaction_session_timeout = '100ms'",
                             "lock_timeout = '500ms'")
        receiver = self.receiver()
        first, second = self.node(receiver, conninfo), self.node(receiver, conninfo)
        for i in range(10):
            (first, second)[i % 2].send(mail("m%d" % i, text="z" * (400000 if i == 3 else 10)))
        receiver.wait_for(10)
        second.process.send_signal(signal.SIGSTOP)  # beats that break off must not keep a dead node alive
        try:
            first.wait_logged("node-dead")
        finally:
            second.process.send_signal(signal.SIGCONT)
        second.wait_logged("node-declared-dead")
        second.send(mail("after"))
        receiver.wait_for(11)
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")

    def test_the_reason_why_there_are_no_tables_is_said(self):
        """Also where it may pass, and so was tried again; time limits of the role are not for this."""
        conninfo = self.role("statement_timeout = '150ms'")
        self.sql("CREATE FUNCTION trouble() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF tg_tag = 'CREATE INDEX' THEN "
                 "RAISE 'not tonight' USING ERRCODE = '57014'; END IF; END $$; CREATE EVENT TRIGGER trouble ON ddl_command_end "
                 "EXECUTE FUNCTION trouble()")
        self.refused(conninfo, "the tables cannot be made: not tonight")
        self.sql("CREATE OR REPLACE FUNCTION trouble() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF tg_tag = 'CREATE INDEX' THEN "
                 "PERFORM pg_sleep(0.2); END IF; END $$")
        server = harness.Server({}, config=postgres.spool(conninfo), start=False)
        self.addCleanup(server.close)
        self.assertEqual(server.command("store", "migrate").returncode, 0)
        self.sql("DROP EVENT TRIGGER trouble; INSERT INTO meta SELECT * FROM meta")
        self.refused(conninfo, "table meta has 2 rows, and must have one")
        self.sql("DELETE FROM meta")
        self.refused(conninfo, "table meta has 0 rows, and must have one")

    def test_a_role_may_have_too_few_connections(self):
        """Each want of one is said where it is felt."""
        server = harness.Server({}, config=postgres.spool(self.conninfo), start=False)
        self.addCleanup(server.close)
        self.assertEqual(server.command("store", "migrate").returncode, 0)
        conninfo, _ = self.least_rights()
        self.addCleanup(self.sql, "ALTER ROLE mxhook CONNECTION LIMIT -1")
        self.sql("ALTER ROLE mxhook CONNECTION LIMIT 1")
        self.refused(conninfo, 'too many connections for role \\"mxhook\\"')
        self.sql("ALTER ROLE mxhook CONNECTION LIMIT 2")
        receiver = self.receiver()
        node = self.server(self.to(receiver), config=postgres.spool(conninfo, more='commit_timeout = "2s"') + 'history = { keep = "0s" }\n' + FAST)
        node.send(mail("small"))
        large = postgres.Sender(node, "large", text="z" * 700000)
        large.join(60)
        self.assertEqual(large.answer, 451)
        node.wait_logged("spool-failed", 'too many connections for role \\"mxhook\\"')
        self.sql("ALTER ROLE mxhook CONNECTION LIMIT 3")
        node.send(mail("larger", text="z" * 700000))
        receiver.wait_for(2)

    def test_warnings_of_triggers(self):
        """Of a statement they are no matter; at COMMIT they may be of the standby's wait: said, sent again, or refused."""
        receiver = self.receiver()
        node = self.server(self.to(receiver), config=postgres.spool(self.conninfo, more='commit_timeout = "3s"') + FAST)
        self.sql("CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'a row of %', tg_table_name; "
                 "RETURN NULL; END $$; CREATE TRIGGER warn AFTER INSERT OR DELETE ON delivery FOR EACH ROW EXECUTE FUNCTION warn(); "
                 "CREATE TRIGGER warn AFTER INSERT OR DELETE ON payload FOR EACH ROW EXECUTE FUNCTION warn()")
        for i in range(3):
            node.send(mail("m%d" % i, text="z" * (700000 if i == 1 else 10)))
        receiver.wait_for(3)
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        self.assertEqual(len({post.id for post in receiver.posts}), 3)
        self.assertFalse(node.logged("spool-failed"))
        self.sql("DROP TRIGGER warn ON payload; DROP TRIGGER warn ON delivery")
        late = "CREATE CONSTRAINT TRIGGER late AFTER %s ON delivery DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()"
        for events, answer in (("INSERT", 250), ("INSERT OR UPDATE", 451)):  # what is sent again is an update
            already = len(node.logged("spool-unsure"))
            self.sql(late % events)
            self.assertEqual(self.answer(node), answer)
            self.assertIn("COMMIT came with a warning: a row of delivery", node.logged("spool-unsure")[already])
            self.sql("DROP TRIGGER late ON delivery")
        node.wait_logged("spool-failed", "COMMIT came with a warning: a row of delivery")
        wait_until(lambda: self.answer(node) == 250, "mail to be taken again")
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")

    def test_what_reads_and_sorts_otherwise_is_no_matter(self):
        conninfo = self.role("client_encoding = 'SQL_ASCII'", "DateStyle = 'German'", "IntervalStyle = 'iso_8601'", "TimeZone = 'Asia/Kolkata'",
                             "bytea_output = 'escape'", "extra_float_digits = -15", "standard_conforming_strings = off",
                             "lc_messages = 'C'", "enable_indexscan = off", "row_security = off", "work_mem = '64kB'", "jit = on",
                             "synchronous_commit = local", "search_path = elsewhere, public", "backslash_quote = off", "array_nulls = off",
                             "transform_null_equals = on", "xmlbinary = 'hex'", "default_transaction_deferrable = on", "client_min_messages = debug5")
        self.sql("CREATE SCHEMA elsewhere")
        receiver = self.receiver(lambda post: 500 if len(receiver.posts) < 3 else 200)
        node = self.node(receiver, conninfo)
        for i in range(5):
            node.send(mail("caf\u00e9 %d" % i, text="z" * (400000 if i == 3 else 10)))
        wait_until(lambda: self.sql("SELECT count(*) FROM elsewhere.delivery") == "0", "an empty spool")
        self.assertEqual({post.json["subject"] for post in receiver.posts}, {"caf\u00e9 %d" % i for i in range(5)})

    def test_what_cannot_be_is_said(self):
        for level in ("repeatable read", "serializable"):
            self.refused(self.role("default_transaction_isolation = '%s'" % level), "must be 'read committed'")
            self.sql("DROP ROLE r" + self.database)
        conninfo = self.role("default_transaction_read_only = on")
        self.refused(conninfo, "read-only by default_transaction_read_only")
        self.refused(conninfo.replace("host=127.0.0.1 port=", "host=127.0.0.1,127.0.0.1 port=1,"), "port 1 failed: Connection refused; 127.0.0.1:%d: "
                     "read-only by" % self.pg.port)
        self.sql("DROP ROLE r" + self.database)
        self.refused(self.role("search_path = nowhere"), "no schema has been selected to create in")
        for encoding in ("EUC_JP", "LATIN2"):
            self.pg.sql("CREATE DATABASE %s TEMPLATE template0 ENCODING '%s' LOCALE 'C'" % (encoding.lower() + self.database, encoding))
            self.refused(self.conninfo.replace("dbname=", "dbname=" + encoding.lower()), encoding)
        for conninfo, text in (("host=127.0.0.1 port=nonsense", "port"), ("host=127.0.0.1,127.0.0.1 port=1,2,3", "as many ports as hosts"),
                               ("postgres://[::1", "IPv6"), ("hst=127.0.0.1", "invalid connection option"),
                               (self.conninfo + " sslmode=verify-full", "ssl"), ("", "")):
            server = harness.Server({}, config=postgres.spool(conninfo), start=False)
            self.addCleanup(server.close)
            done = server.command("run")
            self.assertEqual((done.returncode, done.stderr.count("\n") < 4), (1, True), (conninfo, done.stderr))
            self.assertIn(text.lower(), done.stderr.lower(), conninfo)

    def test_with_tls_and_a_password_from_a_file(self):
        """Both are read again when a connection is made anew, by a node that is confined by then."""
        pg = postgres.Postgres()
        self.addCleanup(pg.close)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        for name, host in (("server", "localhost"), ("other", "other.test")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                            "/CN=" + host, "-addext", "subjectAltName=DNS:" + host, "-keyout", "%s/%s.key" % (folder, name), "-out",
                            "%s/%s.crt" % (folder, name)], check=True, capture_output=True)
        for name in ("server.key", "server.crt"):
            with open(os.path.join(folder, name)) as file:
                pg.write(name, file.read())
            os.chmod(os.path.join(pg.data, name), 0o600)
        pg.sql("CREATE ROLE mail SUPERUSER LOGIN PASSWORD 'first'")
        pg.write("pg_hba.conf", "hostssl all mail 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n")
        pg.settings["ssl"] = "on"
        pg.stop()
        pg.start()
        passfile = os.path.join(folder, "pass")

        def password(text):
            with open(passfile, "w") as file:
                file.write("*:*:*:mail:%s\n" % text)
            os.chmod(passfile, 0o600)
        password("first")
        base = "host=localhost hostaddr=127.0.0.1 port=%d user=mail dbname=postgres passfile=%s sslmode=verify-full sslrootcert=%s/" % (
            pg.port, passfile, folder)
        self.refused(base + "other.crt", "certificate verify failed")
        self.refused(base.replace("host=localhost", "host=other.test") + "server.crt", "other.test")
        self.refused(base + "none.crt", "none.crt")
        receiver = self.receiver()
        node = self.node(receiver, base + "server.crt")
        node.send(mail("one"))
        pg.sql("ALTER ROLE mail PASSWORD 'second'")
        pg.stop()
        pg.start()
        node.wait_logged("spool-failed", "password authentication failed")
        password("second")
        node.wait_logged("spool-recovered")
        node.send(mail("two"))
        receiver.wait_for(2)
        wait_until(lambda: pg.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")

    def test_the_database_is_renamed_and_made_anew_meanwhile(self):
        """Nobody who had it open can go on with what has its name now, before the tables are there."""
        receiver = self.receiver()
        node = self.node(receiver, self.conninfo)
        node.send(mail("one"))
        receiver.wait_for(1)
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        self.pg.sql("ALTER DATABASE %s WITH ALLOW_CONNECTIONS false" % self.database)
        self.pg.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '%s'" % self.database)
        self.pg.sql("ALTER DATABASE %s RENAME TO other" % self.database)
        node.wait_logged("spool-failed", 'database \\"%s\\" does not exist' % self.database)
        self.assertEqual(self.answer(node), 451)
        self.pg.sql("CREATE DATABASE " + self.database)
        wait_until(lambda: self.sql("SELECT count(*) > 1 FROM pg_stat_activity WHERE datname = current_database()") == "t", "a connection to it")
        self.assertEqual(self.answer(node), 451)
        self.assertEqual(node.command("store", "migrate").returncode, 0)
        wait_until(lambda: self.answer(node) == 250, "mail to be taken again")
        receiver.wait_for(2)
        self.assertTrue(node.logged("spool-recovered"))

    def answer(self, node):
        sender = postgres.Sender(node, "again")
        sender.join(60)
        return sender.answer

    def test_commands_say_that_the_database_is_away(self):
        server = harness.Server({}, config=postgres.spool("host=127.0.0.1 port=1 dbname=x"), start=False)
        self.addCleanup(server.close)
        for command in (["nodes"], ["queue", "list"], ["queue", "origins"], ["queue", "retry", "--all"], ["queue", "show", "x"], ["history", "list"],
                        ["destination", "list"], ["store", "migrate"], ["store", "move", "--to", "elsewhere"]):
            done = server.command(*command)
            self.assertEqual((done.returncode, done.stdout), (1, "0 moved\n" if "move" in command else ""), (command, done))
            self.assertIn("Connection refused", done.stderr, command)
            self.assertEqual(done.stderr.count("\n"), 1, (command, done.stderr))


if __name__ == "__main__":
    unittest.main()
