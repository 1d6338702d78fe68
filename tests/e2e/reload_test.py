"""SIGHUP: what needs a restart stays as it was; and again and again under load: nothing is lost, nothing mixes two
generations, memory stays flat.

MXHOOK_ROUNDS=1000 python3 reload_test.py is the long form.
"""

import os
import re
import smtplib
import threading
import time
import unittest

import admin
import harness

ROUNDS = int(os.environ.get("MXHOOK_ROUNDS", 100))
WARM_UP = ROUNDS // 5
SENDERS = 3
GROWTH_KB = 8 * 1024  # what an allocator may keep; a generation that leaked would be 1 MB each


def resident_kb(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


class Restart(admin.AdminCase):
    def failed(self):
        return [each["recipient"] for each in self.json("/api/v1/queue?state=failed")["deliveries"]]

    def test_what_needs_one(self):
        """It is said for each option, and all goes on with what was there: the spool, also for who reads it."""
        mx = self.serve(answer=lambda post: 500)
        mx.send(harness.mail(), ["before@example.com"])
        harness.wait_until(self.failed, "the failure")
        mx.append("""user = "nobody"
spool = { directory = "%s/other", postgres = "host=127.0.0.1 port=1" }
rules = { workers = 7 }
dns = { query_timeout = "3s" }
confine = { enabled = false }
""" % mx.folder)
        mx.reload()
        said = {re.search(r'option=("?)(.*)\1 result=', line)[2] for line in mx.logged("reload", "needs a restart")}
        self.assertEqual(said, {"user", "spool.directory", "spool.postgres", "rules.workers",
                                "dns.resolvers, dns.query_timeout, dns.cache_size",
                                "confine.enabled, confine.read, confine.write"})
        mx.send(harness.mail(), ["after@example.com"])
        harness.wait_until(lambda: sorted(self.failed()) == ["after@example.com", "before@example.com"], "both")
        self.assertFalse(os.path.exists(mx.folder + "/other"))


class Reload(harness.TestCase):
    def rules(self, generation):
        # Two rules, so that a message that met both generations would show it.
        rule = "return function(msg) return %s('%s/%d/' .. msg.message_id) end"
        return {"10-copy.lua": rule % ("route.also", self.sink.url, generation),
                "20-all.lua": rule % ("", self.sink.url, generation)}

    def send(self, number, stop, sent, failures):
        while not stop.is_set():
            try:
                with self.mx.smtp() as client:
                    for _ in range(10):
                        message_id = "%d-%d@client.test" % (number, len(sent))
                        client.sendmail("a@client.test", ["one@example.com", "two@example.com"],
                                        harness.mail(message_id=message_id))
                        sent.append(message_id)
                        time.sleep(0.02)  # a steady load, not all that the machine can do
            except (smtplib.SMTPException, OSError) as error:
                failures.append(error)

    def test_under_load(self):
        self.sink = self.receiver()
        self.mx = self.server(self.rules(0))
        stop, failures = threading.Event(), []
        sent = [[] for _ in range(SENDERS)]
        threads = [threading.Thread(target=self.send, args=(n, stop, sent[n], failures))
                   for n in range(SENDERS)]
        for thread in threads:
            thread.start()
        for generation in range(1, ROUNDS + 1):
            for name, text in self.rules(generation).items():
                self.mx.write_rule(name, text)
            self.mx.reload()
            if generation == WARM_UP:
                before = resident_kb(self.mx.process.pid)
        after = resident_kb(self.mx.process.pid)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.mx.logged("not-reloaded"), [])
        count = sum(len(each) for each in sent)
        self.sink.wait_for(4 * count)
        generations = {}
        for post in self.sink.posts:
            _, generation, message_id = post.path.split("/")
            generations.setdefault(message_id, set()).add(generation)
        self.assertEqual(len(generations), count)
        self.assertEqual([each for each in generations.items() if len(each[1]) > 1], [])
        print("%d reloads, %d messages, resident %d -> %d kB" % (ROUNDS, count, before, after))
        if "MXHOOK_SANITIZED" not in os.environ:  # a sanitizer keeps what was freed
            self.assertLess(after - before, GROWTH_KB)


if __name__ == "__main__":
    unittest.main()
