"""alias.postgres: aliases in a table of a real PostgreSQL.

MXHOOK_GUESSES is how many unknown recipients are tried (200000 by hand), MXHOOK_ROWS how large the table is.
"""

import os
import re
import socket
import threading
import time
import unittest

import harness
import postgres

GUESSES = int(os.environ.get("MXHOOK_GUESSES", 3000))
ROWS = int(os.environ.get("MXHOOK_ROWS", 20000))
ALIAS = {"10-shop.lua": 'return alias.postgres("shop")'}
QUERY = "SELECT address, destination FROM aliases"


@unittest.skipUnless(postgres.binaries(), "no PostgreSQL of 15 or later here")
class AliasPostgres(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.db = postgres.Postgres(settings={"fsync": "off", "log_min_duration_statement": "0", "log_line_prefix": "'%n %u '"})
        cls.addClassCleanup(cls.db.close)
        cls.db.sql("CREATE TABLE aliases (address text PRIMARY KEY, destination text NOT NULL)")
        cls.reader = "host=127.0.0.1 port=%d dbname=postgres user=reader" % cls.db.port
        cls.db.sql("CREATE ROLE reader LOGIN; GRANT SELECT ON aliases TO reader")

    def setUp(self):
        self.db.sql("TRUNCATE aliases")

    def config(self, options='wait = "10s", timeout = "30s"', query=QUERY):
        return 'databases = { shop = { conninfo = "%s", query = "%s", %s } }\n' % (self.reader, query, options)

    def put(self, address, destination):
        self.db.sql("INSERT INTO aliases VALUES ('%s', '%s') ON CONFLICT (address) DO UPDATE SET destination = excluded.destination"
                    % (address, destination))

    def rcpt(self, mx, *addresses):
        with mx.smtp() as client:
            client.ehlo()
            client.mail("sender@client.test")
            return [client.rcpt(address)[0] for address in addresses]

    def queries(self):
        """When each ended, by the server's log; and "sum" or "COPY", where it was of all addresses."""
        found = re.findall(r"^([0-9.]+) reader LOG:  duration: .*(?:execute <unnamed>: SELECT|statement: .*(sum|COPY))", self.db.log(), re.M)
        return [(float(at), how) for at, how in found]

    def test_addresses_tags_and_whole_domains(self):
        sink = self.receiver()
        self.put("sales@example.com", sink.url + "/sales")
        self.put("two@example.com", "%s/1, %s/2" % (sink.url, sink.url))
        self.put("*@sub.example.com", sink.url + "/all")
        self.put("drop@example.com", "null")
        self.put("m\u00fcller@xn--bcher-kva.example.com", sink.url + "/idn")
        mx = self.server(ALIAS, self.config() + 'domains = { "example.com", "*.example.com" }\n')
        mx.send(harness.mail(), ["Sales@example.com", "sales+tag@EXAMPLE.com", "two@example.com", "any@sub.example.com"])
        self.assertEqual(sorted(post.path for post in sink.wait_for(5)), ["/1", "/2", "/all", "/sales", "/sales"])
        self.assertEqual(self.rcpt(mx, "drop@example.com", "nobody@example.com", 'o\'hara{1}@example.com', '"a{b,c}"@example.com', '"q\\\\"@example.com'),
                         [250, 550, 550, 550, 550])

    def test_changes_are_seen_within_two_seconds_on_every_node(self):
        sink = self.receiver()
        nodes = [self.server(ALIAS, self.config()) for _ in range(2)]
        for mx in nodes:
            self.assertEqual(self.rcpt(mx, "new@example.com"), [550])
        self.put("new@example.com", sink.url + "/new")
        for mx in nodes:
            harness.wait_until(lambda node=mx: self.rcpt(node, "new@example.com") == [250], "the new address")
        self.db.sql("DELETE FROM aliases")
        for mx in nodes:
            harness.wait_until(lambda node=mx: self.rcpt(node, "new@example.com") == [550], "its end")

    def test_the_database_comes_and_goes(self):
        sink = self.receiver()
        self.put("a@example.com", sink.url)
        mx = self.server(ALIAS, self.config('wait = "10s", timeout = "30s", ttl = "1ms", negative_ttl = "1ms"'))
        self.assertEqual(self.rcpt(mx, "a@example.com"), [250])
        self.db.stop()
        self.assertEqual(self.rcpt(mx, "a@example.com", "b@example.com"), [250, 451], "the last known answer; none")
        self.db.start()
        harness.wait_until(lambda: self.rcpt(mx, "b@example.com") == [550], "the database")
        self.db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")
        self.assertEqual(self.rcpt(mx, "c@example.com"), [550], "a connection that had ended is made anew")

    def test_a_slow_query_is_not_waited_for(self):
        sink = self.receiver()
        self.put("a@example.com", sink.url)
        slow = "SELECT address, destination FROM aliases, (SELECT pg_sleep(0.3)) AS s OFFSET 0"
        mx = self.server(ALIAS, self.config('wait = "20ms", timeout = "30s", ttl = "60s"', slow))
        self.assertEqual(self.rcpt(mx, "a@example.com"), [451])
        harness.wait_until(lambda: self.rcpt(mx, "a@example.com") == [250], "its answer in the cache")

    def test_transactions_only_read(self):
        self.db.sql("CREATE OR REPLACE FUNCTION spoil() RETURNS text LANGUAGE plpgsql AS "
                    "$$ BEGIN INSERT INTO aliases VALUES ('x', 'y'); RETURN 'https://a.example'; END $$")
        self.db.sql("GRANT INSERT ON aliases TO reader")
        self.addCleanup(self.db.sql, "REVOKE INSERT ON aliases FROM reader")
        self.put("a@example.com", "https://a.example")
        mx = self.server(ALIAS, self.config(query="SELECT address, spoil() FROM aliases"))
        self.assertEqual(self.rcpt(mx, "a@example.com"), [451])
        mx.wait_logged("lookup", "source=shop", "cannot execute INSERT in a read-only transaction")

    def test_what_is_wrong_is_one_clear_line(self):
        for query, conninfo, text in (
                ("SELECT address, destination FROM alias", None, 'relation \\"alias\\" does not exist'),
                ("SELECT address FROM aliases", None, "has 1 columns available but 2 columns specified"),
                (QUERY, "host=127.0.0.1 port=1", "Connection refused"),
                (QUERY, self.reader.replace("dbname=postgres", "dbname=nowhere"), 'database \\"nowhere\\" does not exist'),
                (QUERY, "hots=db", "invalid connection option")):
            with self.subTest(text):
                config = self.config(query=query)
                if conninfo:
                    config = config.replace(self.reader, conninfo)
                mx = self.server(ALIAS, config)
                self.assertEqual(self.rcpt(mx, "a@example.com"), [451])
                self.assertIn(text, mx.wait_logged("lookup", "source=shop", "error=")[0])

    def guess(self, mx, first, count, answers):
        """Pipelined, so that the server is never without one."""
        with socket.create_connection(("127.0.0.1", mx.port), timeout=harness.PATIENCE) as s:
            lines = s.makefile("rb")
            lines.readline()
            s.sendall(b"HELO client.test\r\nMAIL FROM:<sender@client.test>\r\n")
            lines.readline(), lines.readline()
            for start in range(first, first + count, 50):
                batch = range(start, min(start + 50, first + count))
                s.sendall(b"".join(b"RCPT TO:<guess%d@example.com>\r\n" % i for i in batch))
                answers.extend(lines.readline()[:3] for _ in batch)
            s.sendall(b"QUIT\r\n")

    def test_guesses_cost_few_queries(self):
        """200,000 unknown recipients make less than 1,000 queries (all of them by hand, of a million rows)."""
        sink = self.receiver()
        self.db.sql("INSERT INTO aliases SELECT 'user' || i || '@example.com', '%s' FROM generate_series(1, %d) i"
                    % (sink.url, ROWS))
        slashes = '"\\\\n\\\\\\""@example.com'
        self.put(slashes, sink.url)
        mx = self.server(ALIAS, self.config() + 'access = { unlimited = { "127.0.0.0/8" } }\n'
                         'smtp = { max_errors = 10000 }\nlog_limit = 10\nrules = { time_limit = "30s" }\n')
        before, started = len(self.queries()), time.time()
        answers, threads, share = [], [], 500
        todo = iter(range(0, GUESSES, share))
        lock = threading.Lock()

        def work():
            while True:
                with lock:
                    first = next(todo, None)
                if first is None:
                    return
                self.guess(mx, first, min(share, GUESSES - first), answers)

        for _ in range(8):
            threads.append(threading.Thread(target=work))
            threads[-1].start()
        for thread in threads:
            thread.join()
        seconds = time.time() - started
        queries = self.queries()[before:]
        readings = [at for at, how in queries if how == "COPY"]
        sums = [at for at, how in queries if how == "sum"]
        asked = len(queries) - len(readings) - len(sums)
        print("%d guesses in %.0f s, %d rows: %d queries, %d of them summed up all, %d read all"
              % (GUESSES, seconds, ROWS, len(queries), len(sums), len(readings)))
        self.assertEqual(len(answers), GUESSES)
        self.assertEqual(set(answers), {b"550"})
        self.assertEqual(len(readings), 1, "all addresses are read, and not again where they are the same")
        # Until the first reading is over: those by which it is known to be guessing, then fifty a second. Afterwards none is
        # needed, but where the machine is too busy to begin the next reading in time.
        self.assertLess(asked, 60 + 60 * (readings[0] - started) + GUESSES / 500)
        self.assertLess(len(sums), 3 + seconds / 0.4)
        self.assertLess(len(queries), 1000)
        self.put("guess1@example.com", sink.url)
        put = time.monotonic()
        harness.wait_until(lambda: self.rcpt(mx, "guess1@example.com") == [250], "a guess that has become an address")
        with open("/proc/%d/status" % mx.process.pid, encoding="ascii") as file:
            peak = int(re.search(r"VmHWM:\s*(\d+)", file.read())[1]) // 1024
        print("a change was seen after %.1f s; peak memory %d MB" % (time.monotonic() - put, peak))
        self.assertEqual(self.rcpt(mx, "user%d@example.com" % ROWS, "user1@example.com", slashes), [250, 250, 250])


if __name__ == "__main__":
    unittest.main()
