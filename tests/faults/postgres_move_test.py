"""postgres_move_test.py - `mxhook store move` that is killed at any moment, or loses the database, and is run again: nothing is lost,
nothing is there twice, ids and payloads are as they were, in both directions."""

import os
import random
import subprocess
import unittest

import harness
import postgres
from harness import mail, wait_until

ROUNDS = int(os.environ.get("MXHOOK_ROUNDS", 2))
MESSAGES = 40


class MoveTest(postgres.DatabaseCase):
    def setUp(self):
        super().setUp()
        self.status = 500
        self.hook = self.receiver(lambda post: self.status)
        self.alone = self.server(self.to(self.hook), config='deliver = { attempts = 1, breaker_failures = 1000 }\n')
        for i in range(MESSAGES):
            self.alone.send(mail("m%d" % i, text="x" * (700000 if i % 10 == 3 else 9000 if i % 3 else 100)),
                            ["a@example.com", "b@example.com"] if i % 4 == 0 else ["a@example.com"])
        wait_until(lambda: self.count_in(self.alone) == len(self.hook.posts) == MESSAGES + MESSAGES // 4, "all to have failed")
        self.bodies = {post.id: post.body for post in self.hook.posts}
        self.assertEqual(self.alone.stop(), 0)
        self.cluster = harness.Server(self.to(self.hook), config=postgres.spool(self.conninfo) +
                                      'deliver = { attempts = 1, breaker_failures = 1000 }\n', start=False)
        self.addCleanup(self.cluster.close)
        self.assertEqual(self.cluster.command("store", "migrate").returncode, 0)

    def count_in(self, server):
        return server.command("queue", "list", "--failed").stdout.count("\n")

    def move(self, *where):
        return subprocess.Popen([self.cluster.program, "store", "move", *where, "--config", self.cluster.config],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def interrupted(self, harm, *where):
        """Whether it was; it is run until it is done."""
        moving = self.move(*where)
        try:
            moving.wait(random.uniform(0, 0.4))
            done = True
        except subprocess.TimeoutExpired:
            done = False
            harm(moving)
        output, errors = moving.communicate(timeout=harness.PATIENCE)
        self.assertTrue(moving.returncode in (0, 1, -9), (output, errors))
        for _ in range(3):
            again = self.move(*where)
            output, errors = again.communicate(timeout=harness.PATIENCE)
            if again.returncode == 0:
                return not done
        raise AssertionError(errors)

    def kill(self, moving):
        moving.kill()

    def disconnect(self, moving):
        self.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s' AND pid <> pg_backend_pid()" % self.database)

    def test_interrupted_at_any_moment(self):
        self.addCleanup(random.seed)
        seed = int(os.environ.get("MXHOOK_SEED", os.getpid()))
        random.seed(seed)
        print("seed %d" % seed)
        folder, interruptions = self.alone.folder + "/spool", 0
        for i in range(ROUNDS):
            harm = (self.kill, self.disconnect)[i % 2]
            interruptions += self.interrupted(harm, "--from", folder)
            self.assertEqual(self.sql("SELECT count(*), count(DISTINCT id) FROM delivery"), "%d|%d" % (len(self.bodies), len(self.bodies)))
            if i == ROUNDS - 1:
                break
            folder = self.cluster.folder + "/out%d" % i
            interruptions += self.interrupted(harm, "--to", folder)
            self.assertEqual([self.sql("SELECT count(*) FROM " + table) for table in ("delivery", "payload", "tail")], ["0"] * 3)
        print("%d of %d interrupted" % (interruptions, 2 * ROUNDS - 1))
        self.status, count = 200, len(self.hook.posts)
        self.cluster.start()
        self.assertEqual(self.cluster.command("queue", "retry", "--all-failed").returncode, 0)
        self.hook.wait_for(count + len(self.bodies))
        wait_until(lambda: all(self.sql("SELECT count(*) FROM " + table) == "0" for table in ("delivery", "payload", "tail", "chunk", "staged")),
                   "an empty spool, chunks that a move had left included")
        self.assertEqual(self.cluster.stop(), 0)
        self.assertEqual({post.id: post.body for post in self.hook.posts[count:]}, self.bodies)
        self.assertEqual(len(self.hook.posts), count + len(self.bodies))


if __name__ == "__main__":
    unittest.main()
