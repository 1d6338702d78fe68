"""Does scripts/bench still work? A few messages, no peers, and nothing said about time."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import budget

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(HERE, "../../../shared/bench")


def bench(*arguments):
    return subprocess.run([sys.executable, os.path.join(HERE, "bench.py"), *arguments],
                          capture_output=True, text=True, timeout=200)


class BenchTest(unittest.TestCase):
    @unittest.skipUnless(os.path.exists(os.path.join(TOOLS, "load.c")), "the load generator is not in ../shared/bench")
    def test_measures_every_message(self):
        with tempfile.TemporaryDirectory() as folder:
            report = os.path.join(folder, "report.json")
            done = bench("--message", "5k,100k", "--messages", "24", "--sessions", "4", "--per-session", "3",
                         "--rounds", "1", "--tools", TOOLS, "--json", report)
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

    def test_says_what_it_needs(self):
        done = bench("--tools", "/nowhere")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no load.c, sink.c, mkmail.py in /nowhere", done.stderr)

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
