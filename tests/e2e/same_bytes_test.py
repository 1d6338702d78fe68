"""Two attempts of a delivery are byte for byte the same: over a kill, other rules, and another binary.

What is sent is stored, not made anew: so nothing that changes between two attempts can change it.
"""

import os
import shutil
import sqlite3
import unittest

import harness

CONFIG = "deliver = { schedule = { '200ms' }, attempts = 1000, breaker_failures = 100000 }"
RULES = """return function(msg)
  msg.headers["X-Seen-By"] = "%s"
  return { { url = "%s/hook", secret = "a secret", headers = { ["X-Rules"] = "%s" } } }
end"""
LARGE = 400 * 1024  # of which the payload is a file beside the database


class SameBytes(harness.TestCase):
    def setUp(self):
        self.sink = self.receiver(lambda post: 503)
        self.mx = self.server({"10.lua": RULES % ("first", self.sink.url, "first")}, CONFIG)
        self.mx.send(harness.mail(subject="Gr\u00fc\u00dfe", message_id="small@client.test")
                     .decode().encode("utf-8"))
        self.mx.send(harness.mail(text="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * (LARGE // 72),
                                  message_id="large@client.test"))
        self.first = self.latest(2)

    def latest(self, count):
        """The last attempt of each delivery, once there are so many deliveries."""
        harness.wait_until(lambda: len({post.id for post in self.sink.posts}) == count, "attempts")
        return {post.id: post for post in self.sink.posts}

    def again(self):
        """The same after new attempts by whatever runs now."""
        self.sink.posts[:] = []
        return self.latest(2)

    def check_same(self, now):
        self.assertEqual(now.keys(), self.first.keys())
        for delivery, post in now.items():
            before = self.first[delivery]
            self.assertEqual(post.path, before.path)
            self.assertTrue(post.body == before.body, "another body")  # not printed: they are large
            for name in ("content-type", "user-agent", "content-length", "webhook-id", "x-rules"):
                self.assertEqual(post.headers[name], before.headers[name], name)
        self.assertTrue(any(len(post.body) > LARGE for post in now.values()))

    def test_from_one_attempt_to_the_next(self):
        self.check_same(self.again())

    def test_after_a_kill_and_a_restart(self):
        self.mx.kill()
        self.sink.posts[:] = []
        self.mx.start()
        self.check_same(self.latest(2))

    def test_after_the_rules_have_changed(self):
        self.mx.write_rule("10.lua", RULES % ("second", self.sink.url, "second"))
        self.mx.reload()
        self.check_same(self.again())
        self.mx.kill()
        self.sink.posts[:] = []
        self.mx.start()
        self.check_same(self.latest(2))

    def test_by_another_binary(self):
        """As after an upgrade: the file is another one, and every table is written again (VACUUM)."""
        self.mx.kill()
        binary = os.path.join(self.mx.folder, "mxhook-upgraded")
        shutil.copy(harness.MXHOOK, binary)
        spool = os.path.join(self.mx.folder, "spool")
        [database] = [os.path.join(spool, name) for name in os.listdir(spool) if name == "spool.db"]
        with sqlite3.connect(database) as connection:
            connection.execute("VACUUM")
        connection.close()
        self.sink.posts[:] = []
        running, harness.MXHOOK = harness.MXHOOK, binary
        self.addCleanup(setattr, harness, "MXHOOK", running)
        self.mx.start()
        self.check_same(self.latest(2))


if __name__ == "__main__":
    unittest.main()
