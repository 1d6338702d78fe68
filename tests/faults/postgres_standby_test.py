"""postgres_standby_test.py - a synchronous standby that is away, waits for it that are cancelled, primaries that come back."""

import signal
import time
import unittest

import postgres
from harness import mail, wait_until
from postgres import Sender


@unittest.skipUnless(postgres.binaries(), "no PostgreSQL 15 or later here")
class StandbyTest(postgres.NodesTest):
    def test_a_standby_that_is_away_is_waited_for(self):
        """Nothing is acknowledged, connections do not grow, and it recovers alone."""
        standby = self.standby()
        receiver = self.receiver()
        node = self.node(receiver)
        self.pg.synchronous("*")
        self.pg.wait_for_standby()
        node.send(mail("before"))
        standby.send_signal(signal.SIGSTOP)
        waiting = Sender(node, "waits")
        waiting.join(40)
        self.assertEqual(waiting.answer, 451)
        self.assertGreater(waiting.took, 4)
        late = Sender(node, "late")
        late.join(10)
        self.assertEqual(late.answer, 451)
        self.assertLess(late.took, 2)  # refused at MAIL
        self.assertLessEqual(self.connections(), 5)  # the spool's two, the node's, the history's, psql
        standby.send_signal(signal.SIGCONT)
        node.wait_logged("spool-recovered")
        node.send(mail("after"))
        wait_until(lambda: {post.json["subject"] for post in receiver.posts} >= {"before", "after"}, "both")
        wait_until(lambda: self.count() == 0, "an empty spool")
        self.assertFalse(node.logged("node-declared-dead"))

    def test_a_wait_that_is_cancelled_is_not_acknowledged_before_it_is_replicated(self):
        """Though the role wants no warnings."""
        self.pg.sql("ALTER ROLE postgres SET client_min_messages = error")
        standby = self.standby()
        receiver = self.receiver()
        node = self.node(receiver, timeout="1m")
        self.pg.synchronous("*")
        self.pg.wait_for_standby()
        standby.send_signal(signal.SIGSTOP)
        for stop in ("pg_cancel_backend", "pg_terminate_backend"):
            sender = Sender(node, stop)
            end = time.monotonic() + 3
            while time.monotonic() < end:
                self.pg.sql("SELECT %s(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" % stop)
                time.sleep(0.3)
            self.assertIsNone(sender.answer, stop)
            standby.send_signal(signal.SIGCONT)
            sender.join(40)
            self.assertEqual(sender.answer, 250, stop)
            standby.send_signal(signal.SIGSTOP)
        standby.send_signal(signal.SIGCONT)
        wait_until(lambda: self.count() == 0 and self.count("payload") == 0, "an empty spool")
        self.assertEqual(len({post.id for post in receiver.posts}), 2)

    def test_a_former_primary_is_not_used(self):
        standby = self.standby()
        receiver = self.receiver()
        node = self.node(receiver, conninfo=self.pg.conninfo(standby))
        node.send(mail("before"))
        self.pg.send_signal(signal.SIGSTOP)
        standby.promote()
        standby.sql("ALTER SYSTEM RESET synchronous_standby_names")
        standby.sql("SELECT pg_reload_conf()")
        wait_until(lambda: self.taken(node), "the new primary to be used", 40)
        self.pg.send_signal(signal.SIGCONT)
        standby.send_signal(signal.SIGSTOP)  # now only the former one answers, and says that it takes writes
        sender = Sender(node, "former")
        sender.join(40)
        self.assertNotEqual(sender.answer, 250)
        standby.send_signal(signal.SIGCONT)
        wait_until(lambda: self.taken(node), "the new primary again", 60)


if __name__ == "__main__":
    unittest.main()
