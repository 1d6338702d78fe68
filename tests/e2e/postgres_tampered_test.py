"""postgres_tampered_test.py - tables that somebody has changed, rights that are missing: one clear line, and nothing else is lost."""

import os
import re
import unittest

import harness
import postgres
from harness import mail, wait_until

FAST = 'deliver = { schedule = { "100ms", "100ms" }, attempts = 3, timeout = "5s", breaker_failures = 1000 }\n'
SAMPLE = 1 if "MXHOOK_ALL" in os.environ else 8  # of what takes a start each: one in so many, others in each run
LEAST, MOST = -2 ** 63, 2 ** 63 - 1
NUMBERS = ["%d" % LEAST, "-1", "%d" % MOST]
SMALL = ["%d" % -2 ** 31, "-1", "%d" % (2 ** 31 - 1)]
TEXTS = ["''", "'nonsense'", "E'a\\r\\nb: c'", "E'\\t\\x01'", "repeat('x', 100000)"]
# What a column of a delivery may be made to hold.
DELIVERY = dict({name: NUMBERS for name in ("payload", "origin", "lane", "due", "created", "timeout_ms", "max_in_flight", "max_body")},
                **{name: SMALL for name in ("owner", "attempts", "attempts_max", "last_status")},
                **{name: TEXTS for name in ("id", "url", "secret", "headers", "sender", "recipient", "last_error", "schedule", "ca_file",
                                            "client_cert", "client_key", "mail_from", "via", "about")},
                rate=["-1", "'NaN'", "'Infinity'", "1e300"])
PAYLOAD = {"last": NUMBERS, "tail": NUMBERS, "size": NUMBERS, "bytes": ["NULL", "''"]}
OTHERS = {"held": ["INSERT INTO held VALUES (%s / 3, 0, 'x', %s, -1, -1, 0, NULL, %s)" % (n, n, n) for n in NUMBERS],
          "paused": ["INSERT INTO paused VALUES (%s, %s, repeat('x', 100000), E'\\x01', %s)" % (n, n, n) for n in NUMBERS],
          "attempt": ["INSERT INTO attempt SELECT row, %s, %s, -1, repeat('x', 100000), NULL FROM delivery" % (n, n) for n in NUMBERS],
          "node": ["INSERT INTO node VALUES (%s, repeat('x', 100000), -1, E'\\x01', %s)" % (n, n) for n in SMALL],
          "staged": ["INSERT INTO staged VALUES (%s, -1)" % n for n in NUMBERS],
          "chunk": ["INSERT INTO chunk VALUES (%s, -1, 'x')" % n for n in NUMBERS]}


def sample(list_):
    return list_[os.getpid() % SAMPLE::SAMPLE]


class TamperedTest(postgres.DatabaseCase):
    def start_alone(self, conninfo=None, migrate=False):
        server = harness.Server({}, config=postgres.spool(conninfo or self.conninfo, migrate), start=False)
        self.addCleanup(server.close)
        return server.command("run")

    def make_tables(self):
        server = harness.Server({}, config=postgres.spool(self.conninfo), start=False)
        self.addCleanup(server.close)
        self.assertEqual(server.command("store", "migrate").returncode, 0)

    def assert_refused(self, done, *parts):
        self.assertEqual(done.returncode, 1, done)
        self.assertEqual(done.stderr.count("spool.postgres: "), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)

    def test_each_right_that_is_missing_is_named(self):
        self.make_tables()
        conninfo, script = self.least_rights()
        granted = [(right.strip(), kind or "TABLE", name.strip())
                   for rights, kind, names in re.findall(r"^GRANT ([A-Z, ]+) ON (SEQUENCE)? ?([a-z_, ]+) TO mxhook;", script, re.M)
                   for right in rights.split(",") for name in names.split(",")]
        self.assertGreater(len(granted), 40)
        for right, kind, name in sample(granted):
            with self.subTest(right=right, name=name):
                self.sql("REVOKE %s ON %s %s FROM mxhook" % (right, kind, name))
                self.assert_refused(self.start_alone(conninfo), name)
                self.sql("GRANT %s ON %s %s TO mxhook" % (right, kind, name))
        self.sql("ALTER TABLE held ENABLE ROW LEVEL SECURITY")
        self.assert_refused(self.start_alone(conninfo), "table held has row-level security, which holds for the role mxhook")
        self.sql("ALTER TABLE held DISABLE ROW LEVEL SECURITY; REVOKE USAGE ON SCHEMA public FROM public")
        self.assert_refused(self.start_alone(conninfo), "in this role's search_path")

    def test_a_right_that_goes_meanwhile_costs_no_mail(self):
        self.make_tables()
        conninfo, _ = self.least_rights()
        receiver = self.receiver()
        server = self.server(self.to(receiver), config=postgres.spool(conninfo, False) + FAST)
        for right, table in (("INSERT", "payload"), ("UPDATE", "node"), ("INSERT", "delivery")):
            self.sql("REVOKE %s ON %s FROM mxhook" % (right, table))
            sender = postgres.Sender(server, right)
            sender.join(60)
            server.wait_logged("spool-failed")
            self.sql("GRANT %s ON %s TO mxhook" % (right, table))
            self.assertIn(sender.answer, (250, 451), (right, table))
            wait_until(lambda: self.taken(server), "mail to be taken again")
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE due IS NOT NULL") == "0", "an empty spool")

    def test_what_may_not_be_removed_is_not_sent_again(self):
        """Until it may be the node takes nothing and attempts nothing, and says why in a line."""
        self.make_tables()
        conninfo, _ = self.least_rights()
        receiver = self.receiver()
        server = self.server(self.to(receiver), config=postgres.spool(conninfo, False) + FAST)
        self.sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no row goes'; END $$; "
                 "CREATE TABLE audit (row bigint)")
        faults = [("REVOKE DELETE ON delivery FROM mxhook", "GRANT DELETE ON delivery TO mxhook", "permission denied for table delivery"),
                  ("REVOKE DELETE ON payload FROM mxhook", "GRANT DELETE ON payload TO mxhook", "permission denied for table payload"),
                  ("CREATE TRIGGER refuse BEFORE DELETE ON delivery EXECUTE FUNCTION refuse()", "DROP TRIGGER refuse ON delivery", "no row goes")]
        for i, (fault, mend, text) in enumerate(faults):
            with self.subTest(fault=fault):
                self.sql(fault)
                server.send(mail(text))
                receiver.wait_for(i + 1)
                wait_until(lambda: server.logged("spool-failed", text), "the reason in the log")
                wait_until(lambda: not self.taken(server), "mail to be refused")
                self.sql("UPDATE delivery SET owner = NULL, due = 0 WHERE owner IS NULL")
                self.assertEqual(server.logged("spool-recovered")[i:], [])
                self.sql(mend)
                wait_until(lambda: len(server.logged("spool-recovered")) > i, "what is mended to be seen")
                wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        self.assertEqual(len({post.id for post in receiver.posts}), len(receiver.posts), [post.json["subject"] for post in receiver.posts])
        self.assertEqual(len(server.logged("spool-failed")), len(faults), server.log())

    def taken(self, server):
        sender = postgres.Sender(server, "again")
        sender.join(40)
        return sender.answer == 250

    def test_columns_that_are_not_as_they_were_are_named(self):
        self.make_tables()
        columns = [line.split("|") for line in self.sql(
            "SELECT relname, attname, format_type(atttypid, atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2").splitlines()]
        self.assertGreater(len(columns), 60)
        for table, column, kind in sample(columns):
            with self.subTest(table=table, column=column):
                self.sql("ALTER TABLE %s RENAME %s TO other" % (table, column))
                self.assert_refused(self.start_alone(), column)
                self.sql("ALTER TABLE %s RENAME other TO %s" % (table, column))
        for table, column, kind in sample([each for each in columns if each[2] in ("bigint", "integer")]):
            with self.subTest(table=table, column=column, kind=kind):
                other = "numeric" if kind == "integer" else "integer"
                self.sql("ALTER TABLE %s ALTER %s TYPE %s" % (table, column, other))
                self.assert_refused(self.start_alone(), "column %s of table %s is %s, not %s" % (column, table, other, kind))
                self.sql("ALTER TABLE %s ALTER %s TYPE %s" % (table, column, kind))
        self.sql("ALTER TABLE chunk DROP CONSTRAINT chunk_pkey")
        self.assert_refused(self.start_alone(), "table chunk has no primary key")
        self.sql("ALTER TABLE chunk ADD PRIMARY KEY (blob, n); ALTER TABLE delivery RENAME TO deliveries")
        self.assert_refused(self.start_alone(), "there is no table delivery")
        self.sql("ALTER TABLE deliveries RENAME TO delivery; ALTER TABLE delivery ADD later text")
        receiver = self.receiver()
        self.server(self.to(receiver), config=postgres.spool(self.conninfo) + FAST).send(mail("what a newer one has besides is no matter"))
        receiver.wait_for(1)

    def test_rows_that_cannot_be_keep_no_others(self):
        """One delivery for each column and value; all else arrives, and the commands work."""
        status = [500]
        receiver = self.receiver(lambda post: status[0])
        config = postgres.spool(self.conninfo) + FAST.replace("100ms", "1h")
        server = self.server(self.to(receiver), config=config)
        server.send(mail("one"))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE attempts = 1 AND owner IS NULL") == "1", "an attempt")
        server.kill()
        changes = [("delivery", c, v) for c, values in DELIVERY.items() for v in values]
        changes += [("payload", c, v) for c, values in PAYLOAD.items() for v in values]
        self.sql("CREATE TABLE one AS SELECT * FROM delivery; CREATE TABLE body AS SELECT * FROM payload")
        statements = []
        for n, (table, column, value) in enumerate(changes):
            row = "(SELECT row + %d FROM one)" % (n + 500000000)
            statements += ["INSERT INTO payload SELECT row + %d, last + %d, tail, size, bytes FROM body" % (n + 500000000, n + 500000000),
                           "UPDATE one SET id = 'bad-%d'" % n,
                           "UPDATE one SET row = row + %d, payload = payload + %d, due = 0" % (n + 500000000, n + 500000000),
                           "INSERT INTO delivery SELECT * FROM one",
                           "UPDATE one SET row = row - %d, payload = payload - %d" % (n + 500000000, n + 500000000),
                           "UPDATE %s SET %s = %s WHERE row = %s" % (table, column, value, row)]
        self.sql("; ".join(statements))
        self.sql("; ".join(statement for each in OTHERS.values() for statement in each))
        self.sql("DROP TABLE one; DROP TABLE body; UPDATE delivery SET due = 0 WHERE id NOT LIKE 'bad%' AND row < 0")
        status[0] = 200
        server.start()
        count = len(receiver.posts)
        for i in range(5):
            server.send(mail("good%d" % i))
        good = {"good%d" % i for i in range(5)}
        wait_until(lambda: good <= {post.json.get("subject") for post in receiver.posts[count:] if post.body}, "the good ones")
        for command in (["queue", "list"], ["queue", "list", "--json"], ["queue", "origins"], ["nodes"], ["destination", "list"], ["status"],
                        ["queue", "show", "bad-3"], ["queue", "retry", "--all-failed"]):
            done = server.command(*command)
            self.assertIn(done.returncode, (0, 1), (command, done.returncode, done.stderr))
            self.assertLess(done.stderr.count("\n"), 4, done.stderr)
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE due BETWEEN 0 AND (extract(epoch FROM now()) * 1000)::int8") == "0",
                   "all to be delivered, to have failed, or to be due some day")
        self.assertIsNone(server.process.poll())


if __name__ == "__main__":
    unittest.main()
