"""postgres_memory_test.py - large messages, several at once, through PostgreSQL: memory does not grow with them."""

import os
import re
import unittest

import postgres
from harness import wait_until

AT_ONCE, SIZE = 5, 10 * 1000 * 1000
MORE = 30  # MB that a node may take for all of them; measured: 8, for one of 25 MB as for twenty of 100 MB


@unittest.skipIf("MXHOOK_SANITIZED" in os.environ, "a sanitizer keeps what was freed")
class MemoryTest(postgres.DatabaseCase):
    def peak(self, node):
        with open("/proc/%d/status" % node.process.pid) as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024

    def test_it_stays_flat(self):
        """In, and out again after a refusal: then the payload comes from the database."""
        sizes, ids = [], set()

        def answer(post):
            first = post.id not in ids
            ids.add(post.id)
            sizes.append(len(post.body))
            post.body = b""
            return 500 if first else 200
        receiver = self.receiver(answer)
        node = self.server(self.to(receiver), config=postgres.spool(self.conninfo, more='commit_timeout = "1m"') +
                           'deliver = { schedule = { "100ms" }, max_body = 0, breaker_failures = 100 }\n')
        before = self.peak(node)
        senders = [postgres.Sender(node, "m%d" % i, text=("x" * 76 + "\r\n") * (SIZE // 78)) for i in range(AT_ONCE)]
        for sender in senders:
            sender.join(120)
        self.assertEqual([sender.answer for sender in senders], [250] * AT_ONCE)
        receiver.wait_for(2 * AT_ONCE)
        wait_until(lambda: all(self.sql("SELECT count(*) FROM " + table) == "0" for table in ("delivery", "payload", "chunk")), "an empty spool")
        self.assertGreater(min(sizes), SIZE - 78)
        self.assertLess(self.peak(node) - before, MORE)


if __name__ == "__main__":
    unittest.main()
