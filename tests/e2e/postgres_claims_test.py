"""postgres_claims_test.py - what waits in PostgreSQL is claimed without looking through all of it again and again."""

import json
import threading
import time
import unittest

import harness
import postgres
from harness import mail, wait_until
from pg_clock import Clock

ROWS = 300


class ClaimsTest(postgres.DatabaseCase):
    def clocked(self):
        """A clock, and the connection through it."""
        clock = Clock(self.pg.port)
        self.addCleanup(clock.close)
        return clock, self.conninfo.replace("port=%d" % self.pg.port, "port=%d" % clock.port) + " sslmode=disable gssencmode=disable"

    def fill(self, lanes, origins=1):
        """Copies of the one delivery that is there, due."""
        columns = self.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'delivery'::regclass AND attnum > 0").split()
        other = {"row": "d.row + 1000000 + g", "payload": "d.payload + 1000000 + g", "id": "d.id || '-' || g", "due": "0",
                 "attempts": "0", "lane": "d.lane / 2 + g %% %d" % lanes, "origin": "d.origin / 2 + g %% %d" % origins}
        self.sql("INSERT INTO payload (row, last, size, bytes) SELECT row + 1000000 + g, last + 1000000 + g, size, bytes "
                 "FROM payload, generate_series(1, %d) g; INSERT INTO delivery (%s) SELECT %s FROM delivery d, generate_series(1, %d) g" % (
                     ROWS, ", ".join(columns), ", ".join(other.get(name, "d." + name) for name in columns), ROWS))

    def test_one_delivery_in_each_of_many_lanes(self):
        """What a claim may bring is shared out among what is due: it isn't kept for a lane that has one delivery only."""
        for origins in 1, ROWS:
            with self.subTest(origins=origins):
                clock, conninfo = self.clocked()
                answer = [500]
                receiver = self.receiver(lambda post: answer[0])
                config = postgres.spool(conninfo) + 'deliver = { schedule = { "1h" }, attempts = 5, breaker_failures = 100000 }\n'
                node = self.server(self.to(receiver), config=config)
                node.send(mail("one"))
                wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE attempts = 1 AND owner IS NULL") == "1", "an attempt")
                node.kill()
                self.fill(ROWS, origins)
                answer[0] = 200
                clock.take()
                node.start()
                wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "1", "only what waits an hour")
                claims = [batch.rows[1] for batch in clock.take() if batch.sql == "SELECT set_config('jit', 'off', true)"]
                self.assertGreaterEqual(sum(claims), ROWS)
                self.assertLess(len([rows for rows in claims if rows]), ROWS / 5, claims)
                node.kill()
                self.sql("TRUNCATE delivery, payload CASCADE")

    def test_a_claim_that_went_with_its_primary_is_made_good(self):
        """What is under way is claimed again, and not attempted beside that."""
        answered = threading.Event()
        self.addCleanup(answered.set)

        def answer(post):
            if len(receiver.posts) == 1:
                return 500
            answered.wait(30)
            return 200
        receiver = self.receiver(answer)
        node = self.server(self.to(receiver), config=postgres.spool(self.conninfo) + 'deliver = { schedule = { "100ms" }, attempts = 5 }\n')
        node.send(mail("one"))
        receiver.wait_for(2)
        self.sql("UPDATE delivery SET owner = NULL, due = 0")
        wait_until(lambda: self.sql("SELECT count(owner) FROM delivery") == "1", "another claim")
        time.sleep(0.5)
        number = json.loads(node.command("nodes", "--json").stdout)["id"]
        shown = json.loads(node.command("queue", "list", "--json").stdout)[0]
        self.assertEqual((shown["state"], shown["node"]), ("in-flight", number))
        self.assertIn(" (node %d)" % number, node.command("queue", "list").stdout)
        self.assertIn("node         %d\n" % number, node.command("queue", "show", shown["id"]).stdout)
        answered.set()
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        self.assertEqual(len(receiver.posts), 2)

    def test_no_walk_for_each_group_of_ends(self):
        """A walk costs as much as there are lanes: at most one in a second, and fewer where one takes long."""
        clock, conninfo = self.clocked()
        receiver = self.receiver(lambda post: 500)
        config = postgres.spool(conninfo) + 'deliver = { schedule = { "300ms", "1h" }, attempts = 5, breaker_failures = 100000 }\n'
        node = self.server(self.to(receiver), config=config)
        node.send(mail("one"))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE attempts = 2 AND owner IS NULL") == "1", "two attempts")
        node.kill()
        self.fill(lanes=30)
        clock.take()
        began = time.monotonic()
        node.start()
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE attempts = 2 AND owner IS NULL") == str(ROWS + 1), "all twice")
        seconds, batches = time.monotonic() - began, []

        def ends():
            batches.extend(clock.take())
            return [batch for batch in batches if batch.sql.startswith("UPDATE delivery d SET owner = NULL")]
        wait_until(lambda: sum(batch.rows[0] for batch in ends()) >= 2 * ROWS, "the clock to have seen what the tables have")
        walks = [batch for batch in batches if batch.sql.startswith("WITH RECURSIVE")]
        self.assertLessEqual(len(walks), seconds + 3, "%d groups of ends, %.1f s" % (len(ends()), seconds))
        self.assertEqual(len({post.id for post in receiver.posts}), ROWS + 1)


if __name__ == "__main__":
    unittest.main()
