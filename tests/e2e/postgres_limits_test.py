"""postgres_limits_test.py - what holds for all nodes of one PostgreSQL together: breakers and their probes, limits of origins."""

import threading
import time
import unittest

import harness
import postgres
from harness import mail, wait_until

NODES = 3


class LimitsTest(postgres.DatabaseCase):
    def nodes(self, receiver, config):
        return [self.server(self.to(receiver), config=postgres.spool(self.conninfo) + config) for _ in range(NODES)]

    def test_one_node_probes_for_all(self):
        """A destination that fails gets one request for each pause, however many nodes have mail for it; when it works
        again, all of them send."""
        works = threading.Event()
        receiver = self.receiver(lambda post: 200 if works.is_set() else 500)
        nodes = self.nodes(receiver, 'deliver = { schedule = { "1s" }, attempts = 1000, breaker_failures = 3, '
                                     'breaker_pause = "1s", breaker_pause_max = "1s" }\n')
        for i in range(3):
            nodes[0].send(mail("first %d" % i))
        nodes[0].wait_logged("destination-open")
        beats = int(self.sql("SELECT sum(beat) FROM node"))
        wait_until(lambda: int(self.sql("SELECT sum(beat) FROM node")) >= beats + 3 * NODES, "all nodes to have seen it")
        before = len(receiver.posts)
        for i in range(4):
            for node in nodes:
                node.send(mail("more %d" % i))
        receiver.wait_for(before + 5)
        times = [post.time for post in receiver.posts[before:]]
        gaps = [later - earlier for earlier, later in zip(times, times[1:])]
        self.assertGreater(min(gaps), 0.9, gaps)
        works.set()
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "all deliveries")
        wait_until(lambda: self.sql("SELECT count(*) FROM held") == "0", "nothing to be held")
        self.assertEqual(len({post.id for post in receiver.posts}), 15)
        self.assertTrue(any(node.logged("destination-closed") for node in nodes))

    def most_at_once(self, nodes, count):
        """The most requests under way while each node gets mail."""
        self.at_once = self.most = 0
        before = len(self.there.posts)
        threads = [threading.Thread(target=node.send, args=(mail("m"),)) for node in nodes for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.there.wait_for(before + len(threads))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "all deliveries")
        return self.most

    def answer(self, post):
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(0.2)
        with self.lock:
            self.at_once -= 1
        return 200

    def test_an_origin_gets_no_more_at_once_from_all(self):
        """Fewer than there are nodes too: then some send, for those that do not."""
        for limit in (3, 1):
            self.lock, self.at_once, self.most = threading.Lock(), 0, 0
            self.there = self.receiver(self.answer)
            nodes = self.nodes(self.there, 'deliver = { max_per_origin = %d }\n' % limit)
            wait_until(lambda: self.most_at_once(nodes, 2) <= limit, "the nodes to know of each other")
            for _ in range(2):
                self.assertLessEqual(self.most_at_once(nodes, 3), limit)
            for node in nodes:
                self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    unittest.main()
