"""A rolling restart: two nodes as the container has them, on one PostgreSQL. One after the other is stopped, begun anew and
waited for, by the health check of compose.postgres.yaml, while mail comes in. Nothing is lost, and somebody always takes it."""

import os
import re
import smtplib
import subprocess
import threading
import unittest

import harness
import postgres
from harness import MXHOOK, wait_until

CONTAINER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../server/install/container")


class Load:
    """Numbered messages, each to one node and else to the other, as a mail server tries all MX."""

    def __init__(self, nodes):
        self.nodes, self.stopping, self.acknowledged, self.refused = nodes, False, [], []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        number = 0
        while not self.stopping:
            number += 1
            taken = any(self.sent(number, self.nodes[(number + i) % 2]) for i in range(2))
            (self.acknowledged if taken else self.refused).append(number)

    def sent(self, number, node):
        try:
            with smtplib.SMTP("127.0.0.1", node.port, timeout=harness.PATIENCE) as client:
                client.sendmail("s@client.test", ["a@example.com"], harness.mail("n%d" % number))
            return True
        except (OSError, smtplib.SMTPException):
            return False

    def more(self, count):
        target = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= target, "%d more messages to be taken" % count)

    def stop(self):
        self.stopping = True
        self.thread.join(2 * harness.PATIENCE)


@unittest.skipUnless(postgres.binaries(), "PostgreSQL 15 or later is not installed")
class Rolling(harness.TestCase):
    def setUp(self):
        self.database = postgres.Postgres()
        self.addCleanup(self.database.close)
        self.web = self.receiver()

    def node(self):
        """The container's own files, but for where it listens and keeps what is large."""
        with open(os.path.join(CONTAINER, "10-webhook.lua"), encoding="utf-8") as file:
            node = self.server({"10-webhook.lua": file.read()}, start=False)
        with open(os.path.join(CONTAINER, "mxhook.lua"), encoding="utf-8") as file:
            text = file.read()
        for theirs, ours in (('"0.0.0.0:2525", "[::]:2525"', '"127.0.0.1:0"'), ("/var/lib/mxhook", node.folder)):
            self.assertIn(theirs, text)
            text = text.replace(theirs, ours)
        node.write("mxhook.lua", text + 'spool.directory = "spool"\n' + harness.NO_DNS)
        self.begin(node)
        return node

    def begin(self, node):
        node.start()
        wait_until(lambda: self.is_healthy(node), "the node to take mail")

    def is_healthy(self, node):
        return subprocess.run([MXHOOK, "health", "--config", node.config], capture_output=True, timeout=60).returncode == 0

    def test_nothing_is_lost(self):
        for name, value in (("MXHOOK_DOMAINS", "example.com"), ("MXHOOK_WEBHOOK", self.web.url),
                            ("MXHOOK_POSTGRES", self.database.conninfo())):
            os.environ[name] = value
            self.addCleanup(os.environ.pop, name)
        nodes = [self.node(), self.node()]
        load = Load(nodes)
        self.addCleanup(load.stop)
        for node in nodes:
            load.more(10)
            self.assertEqual(node.stop(), 0)
            load.more(5)
            self.begin(node)
        load.more(10)
        load.stop()
        self.assertEqual(load.refused, [])
        wait_until(lambda: self.database.sql("SELECT count(*) FROM delivery") == "0", "all to be delivered")
        arrived = {int(re.search(rb'"subject":"n(\d+)"', post.body)[1]) for post in self.web.posts}
        self.assertEqual(set(load.acknowledged) - arrived, set())
        self.assertTrue(all(node.logged("delivered") for node in nodes))


if __name__ == "__main__":
    unittest.main()
