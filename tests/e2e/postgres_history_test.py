"""postgres_history_test.py - the history in PostgreSQL, which nodes share: what is kept, found, sent again, and dropped."""

import json
import os
import subprocess
import threading
import time
import unittest

import harness
import postgres
from harness import PATIENCE, mail, wait_until

DAY = 86400


class PostgresHistoryTest(postgres.DatabaseCase):
    def node(self, receiver, history="", more='deliver = { schedule = { "100ms", "100ms" } }\n', **named):
        config = postgres.spool(self.conninfo) + "history = { %s }\n" % history + more
        return self.server(self.to(receiver), config=config, **named)

    def find(self, node, *arguments):
        result = node.command("history", "list", "--json", *arguments)
        return json.loads(result.stdout)["messages"] if result.returncode == 0 else []

    def wait_for(self, node, count, *arguments):
        def there():
            found = self.find(node, *arguments)
            return found if len(found) >= count else None
        return wait_until(there, "%d messages in the history" % count)

    def test_nodes_share_it(self):
        receiver = self.receiver()
        first, second = self.node(receiver, "subjects = true"), self.node(receiver, "subjects = true")
        for number, node in enumerate((first, second, first)):
            node.send(mail("Invoice %d" % number), ["hook%d@example.com" % number], sender="s%d@client.test" % number)
            self.wait_for(second, number + 1, "--state", "delivered")
        for node in (first, second):
            self.assertEqual([m["subject"] for m in self.find(node)], ["Invoice 2", "Invoice 1", "Invoice 0"])
        def numbers(*filters):
            return [m["sender"][1] for m in self.find(first, *filters)]
        self.assertEqual(numbers("--sender", "s1@client.test"), ["1"])
        self.assertEqual(numbers("--sender", "@client.test", "--limit", "2"), ["2", "1"])
        self.assertEqual(numbers("--recipient", "HOOK0@example.com"), ["0"])
        self.assertEqual(numbers("--subject", "voice 2"), ["2"])
        self.assertEqual(numbers("--subject", "none such"), [])
        self.assertEqual(numbers("--destination", receiver.url + "/"), ["2", "1", "0"])
        self.assertEqual(numbers("--status", "200", "--sender", "s2@client.test"), ["2"])
        self.assertEqual(numbers("--state", "failed"), [])
        self.assertEqual(numbers("--since", "1h"), ["2", "1", "0"])
        self.assertEqual(numbers("--until", "1h"), [])
        page = json.loads(first.command("history", "list", "--json", "--limit", "1").stdout)
        self.assertEqual(numbers("--cursor", str(page["next"])), ["1", "0"])
        story = first.command("history", "story", self.find(first)[1]["id"]).stdout
        self.assertIn("attempt 1", story)
        self.assertEqual(self.sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'segments_%' AND relpersistence = 'u'"
                                  " AND relkind = 'r'"), "1")

    def test_later_attempts_are_told_of(self):
        held = threading.Event()
        self.addCleanup(held.set)
        answers = [500, 500, 200]

        def answer(_):
            held.wait(30)
            return answers.pop(0) if answers else 200
        receiver = self.receiver(answer)
        node = self.node(receiver, 'bodies = "all"')
        node.send(mail("Later"))
        waiting = self.wait_for(node, 1, "--state", "waiting")[0]
        held.set()
        delivered = self.wait_for(node, 1, "--state", "delivered")[0]
        self.assertEqual((delivered["id"], delivered["deliveries"][0]["attempts"]), (waiting["id"], 3))
        self.assertEqual(self.find(node, "--state", "waiting"), [])
        story = json.loads(node.command("history", "story", "--json", delivered["id"]).stdout)["messages"][0]
        self.assertEqual([a["status"] for a in story["deliveries"][0]["made"]], [500, 500, 200])
        payload = json.loads(node.command("history", "payload", delivered["deliveries"][0]["id"]).stdout)
        self.assertEqual(payload["subject"], "Later")
        self.assertEqual(node.command("history", "replay", "--since", "1h").returncode, 0)
        self.assertEqual(receiver.posts[-1].id, receiver.posts[0].id)
        self.assertEqual(receiver.posts[-1].body, receiver.posts[0].body)

    def test_filters_find_what_they_find_in_a_file(self):
        """By random records, of which an older version has written and changed some."""
        program = os.path.join(os.path.dirname(os.path.abspath(harness.MXHOOK)), "tests/history/same_filters")
        seeds = os.environ.get("MXHOOK_SEEDS", str(int(time.time()) // DAY)).split()
        for seed in seeds:
            run = subprocess.run([program, self.conninfo, seed], capture_output=True, text=True, errors="replace", timeout=4 * PATIENCE)
            self.assertEqual(run.returncode, 0, (seed, run.stdout, run.stderr))
            self.sql("DROP SCHEMA mxhook_history CASCADE")

    def test_what_is_dropped_as_its_attempt_is_noted_is_dropped(self):
        """Both have seen it wait before either has written: the later one is to see what the first has made of it."""
        held = threading.Event()
        self.addCleanup(held.set)
        receiver = self.receiver(lambda post: held.wait(PATIENCE) and 500)
        node = self.node(receiver, more='deliver = { schedule = { "1h" } }\n')
        node.send(mail())
        self.wait_for(node, 1, "--state", "waiting")
        blocker = subprocess.Popen([os.path.join(postgres.binaries(), "psql"), "-qAt", "-d", self.conninfo], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(blocker.communicate)
        blocker.stdin.write("BEGIN; SELECT 'locked' FROM mxhook_history.segments FOR UPDATE;\n")
        blocker.stdin.flush()
        self.assertEqual(blocker.stdout.readline(), "locked\n")

        def wait_for_blocked(count):
            wait_until(lambda: self.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname ="
                                        " current_database()") == str(count), "%d that wait for the segment" % count)
        dropping = threading.Thread(target=lambda: node.command("queue", "drop", "--all", "--yes"))
        dropping.start()
        wait_for_blocked(1)
        held.set()
        wait_for_blocked(2)
        blocker.stdin.write("COMMIT;\n")
        blocker.stdin.flush()
        dropping.join()
        wait_until(lambda: self.sql("SELECT count(*) FROM mxhook_history.attempts") == "2", "both to be noted")
        self.assertEqual([m["deliveries"][0]["state"] for m in self.find(node)], ["dropped"])

    def test_tells_how_an_origin_has_answered(self):
        receiver = self.receiver(lambda post: 500)
        node = self.node(receiver, more="deliver = { attempts = 1 }\n")
        node.send(mail())
        self.wait_for(node, 1, "--state", "failed", "--status", "500")
        origin, = json.loads(node.command("queue", "origins", "--json").stdout)
        self.assertEqual((origin["failed"], origin["last_status"]), (1, 500))

    def test_a_day_is_dropped_as_a_whole(self):
        receiver = self.receiver()
        node = self.node(receiver, 'keep = "2d"')
        node.send(mail())
        self.wait_for(node, 1)
        node.stop()
        today = int(time.time()) // DAY
        for day in (today - 3, today - 2):
            for table in ("segments", "attempts", "bodies"):
                self.sql("CREATE UNLOGGED TABLE mxhook_history.%s_%d PARTITION OF mxhook_history.%s FOR VALUES IN (%d)"
                         % (table, day, table, day))
        node.start()
        node.send(mail())

        def days():
            return self.sql("SELECT string_agg(substring(relname FROM '[0-9]+$'), ' ' ORDER BY relname) FROM pg_class"
                            " WHERE relname LIKE 'segments\\_%' AND relkind = 'r' AND relnamespace = 'mxhook_history'::regnamespace")
        kept = ["%d" % (today - 2), str(today)]
        wait_until(lambda: days().split()[:2] == kept, "the oldest day to be dropped")
        self.assertEqual(len(self.wait_for(node, 2)), 2)

    def test_mail_goes_on_without_rights(self):
        self.node(self.receiver(), 'keep = "0s"').stop()
        self.assertEqual(self.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'mxhook_history'"), "0")
        role = "weak" + self.database
        self.sql("CREATE ROLE %s LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO %s; GRANT ALL ON ALL SEQUENCES IN SCHEMA public"
                 " TO %s" % (role, role, role))
        receiver = self.receiver()
        config = postgres.spool(self.conninfo.replace("user=postgres", "user=" + role), migrate=False)
        node = self.server(self.to(receiver), config=config)
        node.send(mail())
        receiver.wait_for(1)
        self.assertTrue(node.logged("history-failed"))
        self.assertEqual(node.command("history", "list").returncode, 1)


if __name__ == "__main__":
    unittest.main()
