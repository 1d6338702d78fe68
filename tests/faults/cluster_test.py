"""cluster_test.py - some rounds of cluster.py; MXHOOK_ROUNDS says how many."""

import os
import tempfile
import unittest

import cluster
import postgres


@unittest.skipUnless(postgres.binaries(), "no PostgreSQL 15 or later here")
class ClusterTest(unittest.TestCase):
    def test_nothing_that_was_acknowledged_is_lost(self):
        seed = int(os.environ.get("MXHOOK_SEED", os.getpid()))
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            fine = cluster.run(int(os.environ.get("MXHOOK_ROUNDS", 20)), log, seed)
            with open(log) as file:
                text = file.read()
        print("seed %d\n%s" % (seed, text))
        self.assertTrue(fine, text)


if __name__ == "__main__":
    unittest.main()
