"""Does scripts/bench still work? A few messages, no peers, and nothing said about time."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import budget

HERE = os.path.dirname(os.path.abspath(__file__))


def bench(*arguments):
    return subprocess.run([sys.executable, os.path.join(HERE, "bench.py"), *arguments],
                          capture_output=True, text=True, timeout=200)


class BenchTest(unittest.TestCase):
    def test_measures_every_message(self):
        with tempfile.TemporaryDirectory() as folder:
            report = os.path.join(folder, "report.json")
            done = bench("--message", "5k,100k", "--messages", "24", "--sessions", "4", "--per-session", "3",
                         "--rounds", "1", "--json", report)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(report) as file:
                results = json.load(file)
        self.assertEqual([(r["server"], r["message"]) for r in results],
                         [(name, size) for size in ("5k", "100k") for name in ("mxhook", "mxhook, SPF DKIM DMARC on")])
        for result in results:
            self.assertEqual((result["acknowledged"], result["lost"]), (24, 0))
            self.assertGreater(result["peak_mb"], 1)
            self.assertGreater(result["p99_ms"], 0)
        self.assertIn("mxhook, SPF DKIM DMARC on", done.stdout)

    def test_nodes_share_a_database(self):
        done = bench("--messages", "12", "--sessions", "4", "--per-session", "2", "--rounds", "2", "--no-auth", "--postgres", "2")
        if "no PostgreSQL" in done.stderr:
            self.skipTest("no PostgreSQL 15 or later here")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("mxhook, PostgreSQL, 2 nodes", done.stdout)

    def test_speaks_as_the_options_say(self):
        for how in (["--pipelining"], ["--tls", "starttls"], ["--tls", "implicit", "--pipelining"]):
            with self.subTest(how=how):
                done = bench("--messages", "12", "--sessions", "3", "--per-session", "2", "--rounds", "1", "--no-auth", *how)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_counts_a_sample_for_the_innermost_part(self):
        sample = """ 77
\tffffffff81e2cd59 vfs_write ([kernel.kallsyms])
\t           f838f __GI___libc_write (/usr/lib/libc.so.6)
\t           4b251 %s (/usr/bin/mxhook)
\t           49b06 session_input (/usr/bin/mxhook)
"""
        text = "\n".join(sample % name for name in ("log_write", "write_out", "write_out", "write_out"))
        self.assertEqual(budget.shares(text), [("SMTP", 0.75), ("log", 0.25)])


unittest.main()
