"""postgres_test.py - the spool in PostgreSQL: what is stored, shown and changed, and what is wrong is said."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))

import harness  # noqa: E402
import postgres  # noqa: E402
import spool_rows  # noqa: E402
from harness import MXHOOK, mail, wait_until  # noqa: E402
from spool_rows import IN, LATER, OTHER  # noqa: E402

TABLES = ("delivery", "payload", "tail", "chunk", "staged", "attempt")
FAST = 'deliver = { schedule = { "100ms", "100ms" } }\n'


class Gate:
    """Answers wait until it is opened."""

    def __init__(self, test):
        self.event = threading.Event()
        test.addCleanup(self.event.set)

    def answer(self, post):
        self.event.wait(30)
        return 200

    def open(self):
        self.event.set()


class PostgresTest(postgres.DatabaseCase):
    def node(self, receiver, config=FAST, **named):
        rules = self.to(receiver) if not isinstance(receiver, dict) else receiver
        return self.server(rules, config=postgres.spool(self.conninfo) + config, **named)

    def url_of(self, receiver):
        return receiver.url + "/"

    def wait_empty(self):
        wait_until(lambda: all(self.sql("SELECT count(*) FROM " + table) == "0" for table in TABLES), "empty tables")

    def test_all_arrives_and_nothing_stays(self):
        receiver = self.receiver()
        server = self.node(receiver)
        for i in range(20):
            server.send(mail("m%d" % i, text="x" * (900000 if i == 3 else 100)), ["a@example.com", "b@example.com"])
        receiver.wait_for(40)
        self.wait_empty()
        self.assertEqual(len({post.id for post in receiver.posts}), 40)
        self.assertEqual(len({len(post.body) for post in receiver.posts if len(post.body) > 900000}), 1)
        self.assertEqual([name for name in os.listdir(server.folder + "/spool") if not name.startswith("history")], ["srs.key"])

    def test_failed_ones_are_shown_retried_and_dropped(self):
        status = [500]
        receiver = self.receiver(lambda post: status[0])
        server = self.node(receiver)
        server.send(mail("one"))
        server.send(mail("big", text="y" * 700000), ["a@example.com", "b@example.com"])
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE due IS NULL") == "3", "three failed ones")
        self.assertEqual(self.sql("SELECT count(*) FROM tail"), "1")
        lines = server.command("queue", "list", "--failed").stdout.splitlines()
        self.assertEqual([line.split()[1:3] for line in lines], [["failed", "3"]] * 3)
        for filters, found in ((["--host", "127.0.0.1"], 3), (["--host", "127.0.0"], 0), (["--status", "500"], 3),
                               (["--status", "404"], 0), (["--recipient", "A@example.com"], 1),
                               (["--sender", "sender@client.test"], 3), (["--error", "ANSWERED 500"], 3),
                               (["--error", "refused"], 0), (["--prefix", receiver.url], 3), (["--prefix", "https:"], 0),
                               (["--destination", receiver.url], 0), (["--since", "1h"], 3), (["--until", "1h"], 0),
                               (["--until", "now"], 3)):
            listed = server.command("queue", "list", *filters)
            self.assertEqual((listed.returncode, len(listed.stdout.splitlines())), (0, found), (filters, listed))
            if not found:
                self.assertEqual(server.command("queue", "drop", *filters).stdout, "0 dropped\n", filters)
        shown = server.command("queue", "show", lines[0].split()[0]).stdout
        self.assertEqual(shown.count("\nattempt "), 3)
        self.assertIn('"subject":"one"', shown)
        dropped = lines[1].split()[0]
        self.assertEqual(server.command("queue", "drop", dropped).returncode, 0)
        self.assertEqual(server.command("queue", "drop", dropped).returncode, 1)
        self.assertEqual(server.command("queue", "retry", "nothing").returncode, 1)
        status[0] = 200
        before = len(receiver.posts)
        self.assertEqual(server.command("queue", "retry", "--all-failed").stdout, "2 due now\n")
        receiver.wait_for(before + 2)
        self.wait_empty()
        self.assertEqual({post.id for post in receiver.posts[before:]}, {line.split()[0] for line in (lines[0], lines[2])})

    def folder_of_rows(self, server, noon):
        """Rows that are known, as a spool in a folder; half a second off the full one, for what clocks differ by."""
        folder = server.folder + "/rows"
        server.write("none.lua", 'domains = { "example.com" } spool = { directory = "none" }')
        server.write("rows.lua", 'domains = { "example.com" } spool = { directory = "rows" }')
        os.mkdir(server.folder + "/none")
        subprocess.run([MXHOOK, "queue", "export", "--to", folder, "--config", server.folder + "/none.lua"], check=False,
                       stdout=subprocess.DEVNULL)
        with sqlite3.connect(folder + "/spool.db", isolation_level=None) as db:
            keys = spool_rows.keys(db, lambda *arguments: subprocess.run(
                [MXHOOK, *arguments, "--config", server.folder + "/rows.lua"], check=True, stdout=subprocess.DEVNULL))
            spool_rows.fill(db, keys, noon)
            spool_rows.pause(db, keys, OTHER, False, noon + 500, "why")
            db.execute("UPDATE delivery SET due = due + 500, created = created + 500")
        return folder, keys

    def test_commands_say_of_it_what_they_say_of_a_folder(self):
        server = self.server({"10.lua": "return alias {}"}, config=postgres.spool(self.conninfo), start=False)
        self.assertEqual(server.command("store", "migrate").returncode, 0)
        folder, keys = self.folder_of_rows(server, int(time.time() - 600) * 1000)

        def say(*arguments, of="mxhook.lua"):
            done = subprocess.run([MXHOOK, *arguments, "--config", server.folder + "/" + of], capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout, done.stderr

        shown = [["queue", "list"], ["queue", "list", "--json"], ["queue", "list", "--failed"], ["queue", "failures"],
                 ["queue", "failures", "--json"], ["queue", "origins"], ["queue", "origins", "--json"], ["destination", "list"],
                 ["queue", "show", "nobody"]]
        shown += [["queue", "show", row[6], *more] for row in spool_rows.ROWS for more in ([], ["--json"])]
        expected = [say(*arguments, of="rows.lua") for arguments in shown]
        self.assertEqual([code for code, _, _ in expected], [0] * 8 + [1] + [0] * 10)
        for _ in range(2):
            self.assertEqual(say("store", "move", "--from", folder)[:2], (0, "5 moved\n"))
            self.assertEqual(say("queue", "list", of="rows.lua"), (0, "", ""))
            for arguments, (code, out, err) in zip(shown, expected):
                got = say(*arguments)
                if "origins" in arguments and "--json" not in arguments:  # those of the same size in any order
                    got, out = (got[0], sorted(got[1].splitlines()), got[2]), sorted(out.splitlines())
                if "origins" in arguments and "--json" in arguments:
                    got = (got[0], sorted(json.loads(got[1]), key=str), got[2])
                    out = sorted(json.loads(out), key=str)
                self.assertEqual(got, (code, out, err), arguments)
            self.assertEqual(say("store", "move", "--to", folder)[:2], (0, "5 moved\n"))
            self.assertEqual(self.sql("SELECT count(*) FROM delivery"), "0")
            self.assertEqual(say(*shown[0], of="rows.lua"), expected[0])
        self.assertEqual(say("store", "move", "--from", folder)[:2], (0, "5 moved\n"))
        origin, lane = keys[IN]
        self.sql("INSERT INTO held (origin, lane, name, until, most, failures, node) VALUES (%d, 0, 'http://hooks.example:80', %d, 1, 4, 1), "
                 "(%d, %d, 'http://hooks.example:80', %d, 1, 2, 1)" % (origin, LATER + 5500, origin, lane, LATER + 500))
        self.assertIn("failures=4 held-until=2100-01-01T00:00:05Z held-urls=1", say("queue", "origins")[1])
        self.assertEqual(say("queue", "retry", "01ktwo-1-1")[1],
                         "01ktwo-1-1 due now (it was failed after 3 attempts): b@mail.test http://hooks.example/in\n")
        self.assertEqual(self.sql("SELECT attempts, last_status, last_error IS NULL, due IS NULL FROM delivery WHERE id = '01ktwo-1-1'"),
                         "0|0|t|f")
        self.assertEqual(say("queue", "drop", "--status", "0")[1], "3 dropped\n")
        self.assertEqual(say("queue", "drop", "nobody")[0], 1)
        self.assertEqual(say("queue", "edit", "--all", "--secret", "x")[1], "1 edited\n")
        self.assertEqual(say("queue", "drop", "--all")[1], "2 dropped\n")
        self.assertEqual([self.sql("SELECT count(*) FROM " + table) for table in TABLES], ["0"] * len(TABLES))

    def test_what_waits_too_long_is_given_up(self):
        server = self.server({"10.lua": "return alias {}"}, config=postgres.spool(self.conninfo, more='max_age = "5m"'), start=False)
        self.assertEqual(server.command("store", "migrate").returncode, 0)
        folder, _ = self.folder_of_rows(server, int(time.time() - 600) * 1000)
        self.assertEqual(server.command("store", "move", "--from", folder).returncode, 0)
        server.start()
        server.wait_logged("undelivered", "id=01kfour-1-1", "given up: it has waited longer than spool.max_age")
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE due IS NULL AND id = '01kfour-1-1'") == "1", "the end in the table")
        self.assertEqual(server.logged("undelivered", "id=01kone-1-1"), [])

    def test_bytes_come_back_as_they_went(self):
        receiver = self.receiver(lambda post: 500)
        server = self.node({"10.lua": r"""return function(msg)
            return { url = '%s/a%%C3?a=b', secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', headers = { ["X-A"] = "\228\254" } } end"""
                            % receiver.url}, config='deliver = { attempts = 2, schedule = { "50ms" } }\n')
        server.send(mail("bytes"))
        wait_until(lambda: len(receiver.posts) == 2, "two attempts")
        self.assertEqual(receiver.posts[0].path, receiver.posts[1].path)
        self.assertEqual(receiver.posts[0].headers["X-A"], receiver.posts[1].headers["X-A"])
        self.assertEqual(receiver.posts[0].body, receiver.posts[1].body)

    def test_a_destination_is_paused_for_all_nodes(self):
        receiver = self.receiver()
        first, second = self.node(receiver), self.node(receiver)
        run = first.command("destination", "pause", self.url_of(receiver), "--reason", "moves", "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        for node in (first, second):
            node.wait_logged("destination-paused", "reason=moves")
            node.send(mail("waits"))
        listed = json.loads(second.command("queue", "list", "--json").stdout)
        self.assertEqual([(each["paused"], each["attempts"]) for each in listed], [(True, 0)] * 2)
        paused, = json.loads(second.command("destination", "list", "--json").stdout)
        self.assertEqual((paused["waiting"], paused["reason"]), (2, "moves"))
        first.kill()  # a node that starts heeds it at once
        third = self.node(receiver)
        third.wait_logged("destination-paused")
        third.send(mail("waits too"))
        self.assertEqual(receiver.posts, [])
        self.assertEqual(second.command("destination", "resume", self.url_of(receiver)).returncode, 0)
        receiver.wait_for(3)
        self.wait_empty()

    def test_a_destination_s_limits_are_kept(self):
        receiver = self.receiver(lambda post: 500)
        server = self.node({"10.lua": """return function(msg)
            return { url = '%s/', rate = '90/m', max_in_flight = 3, max_body = '100 kB' } end""" % receiver.url},
                           config='deliver = { schedule = { "1h" } }\n')
        server.send(mail("limits"))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE rate = 1.5 AND max_in_flight = 3 "
                                    "AND max_body = 100000") == "1", "the limits in the row")
        receiver.wait_for(1)
        server.kill()
        self.assertEqual(self.node(receiver).command("queue", "retry", "--all").stdout, "1 due now\n")
        receiver.wait_for(2)

    def test_a_failure_is_told_of(self):
        receiver = self.receiver(lambda post: 500)
        hook = self.receiver()
        server = self.node(receiver, config='deliver = { attempts = 1, on_failure = "%s/failed" }\n' % hook.url)
        server.send(mail("one"))
        server.send(mail("two"))
        hook.wait_for(2)
        self.assertEqual({post.json["data"]["status"] for post in hook.posts}, {500})
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "2", "nothing but the failed ones")
        self.assertEqual(self.sql("SELECT count(*) FROM delivery WHERE due IS NULL"), "2")

    def test_what_waits_is_edited_and_held_ones_probed(self):
        status = [500]
        old, new = self.receiver(lambda post: status[0]), self.receiver()
        server = self.node(old, config='deliver = { schedule = { "1h", "1h" }, breaker_failures = 2, '
                                       'breaker_pause = "1h", breaker_pause_max = "1h" }\n')
        for i in range(3):
            server.send(mail("m%d" % i))
        server.wait_logged("destination-open")
        wait_until(lambda: self.sql("SELECT count(*) FROM held WHERE lane <> 0") == "1" and
                   self.sql("SELECT count(*) FROM delivery WHERE owner IS NULL") == "3", "the hold")
        status[0] = 200
        listed = json.loads(server.command("queue", "list", "--json").stdout)
        self.assertEqual(server.command("queue", "edit", listed[0]["id"], "--url", new.url, "--secret", "x").stdout,
                         "1 edited\n")
        self.assertEqual(server.command("queue", "edit", "nothing", "--url", new.url).returncode, 1)
        run = server.command("queue", "retry", "--all", "--now")
        self.assertIn("2 of them go to", run.stderr)
        new.wait_for(1)
        self.wait_empty()
        self.assertEqual(server.command("queue", "edit", "--host", "127.0.0.1", "--url", new.url).stdout, "0 edited\n")

    def test_a_dead_node_is_taken_over(self):
        receiver = self.receiver(lambda post: 500)
        first = self.node(receiver, config='deliver = { schedule = { "1s" }, attempts = 50 }\n')
        slow = Gate(self)
        held = self.receiver(slow.answer)
        victim = self.node(held)
        for i in range(10):
            victim.send(mail("m%d" % i))
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery WHERE owner IS NOT NULL") == "10", "ten in hand")
        victim.kill()
        slow.open()
        wait_until(lambda: self.sql("SELECT count(*) FROM delivery") == "0", "the takeover")
        self.assertEqual(len({post.id for post in held.posts}), 10)
        self.assertTrue(first.logged("node-dead") and first.logged("node-takeover", "deliveries=10"))

    def test_a_node_that_wakes_after_its_death_takes_a_new_number(self):
        receiver = self.receiver()
        first, second = self.node(receiver), self.node(receiver)
        second.process.send_signal(signal.SIGSTOP)
        first.wait_logged("node-dead")
        second.process.send_signal(signal.SIGCONT)
        second.wait_logged("node-declared-dead")
        wait_until(lambda: len(second.logged("node ")) == 0 and len(second.logged("node")) == 2, "a second number")
        second.send(mail("after"))
        receiver.wait_for(1)
        self.wait_empty()

    def test_nodes_share_their_secrets(self):
        receiver = self.receiver()
        keys = []
        for server in (self.node(receiver), self.node(receiver)):
            with open(server.folder + "/spool/srs.key") as file:
                keys.append(file.read())
            self.assertEqual(os.stat(server.folder + "/spool/srs.key").st_mode & 0o777, 0o600)
        self.assertEqual(len(keys[0]), 65)
        self.assertEqual(keys[0], keys[1])

    def test_nodes_are_listed(self):
        receiver = self.receiver()
        first, second = self.node(receiver), self.node(receiver)
        lines = first.command("nodes").stdout.splitlines()
        self.assertEqual([line.split()[-1] for line in lines], ["lives", "lives"])
        second.process.send_signal(signal.SIGSTOP)
        try:
            answers = [json.loads(line) for line in first.command("nodes", "--json").stdout.splitlines()]
        finally:
            second.process.send_signal(signal.SIGCONT)
        self.assertEqual([node["lives"] for node in answers], [True, False])
        alone = self.server(self.to(receiver))
        done = alone.command("nodes")
        self.assertEqual((done.returncode, "spool.postgres is not set" in done.stderr), (1, True))

    def shown(self, server, id):
        shown = json.loads(server.command("queue", "show", id, "--json").stdout)
        return [shown[name] for name in ("tries", "attempts", "state", "status", "error", "recipient", "destination", "size")]

    def test_a_spool_moves_in_and_out(self):
        status = [500]
        receiver = self.receiver(lambda post: status[0])
        alone = self.server(self.to(receiver), config='deliver = { attempts = 3, schedule = { "50ms" }, breaker_failures = 1000 }\n')
        for i in range(5):
            alone.send(mail("m%d" % i, text="x" * (600000 if i == 2 else 100)), ["a@example.com", "b@example.com"])
        wait_until(lambda: alone.command("queue", "list", "--failed").stdout.count("\n") == 10, "ten failed ones")
        before = sorted(line.split()[0] for line in alone.command("queue", "list").stdout.splitlines())
        bodies = {post.id: post.body for post in receiver.posts}
        shown = {id: self.shown(alone, id) for id in before[::4]}
        self.assertEqual({(len(each[0]), each[1]) for each in shown.values()}, {(3, 3)})
        cluster = harness.Server(self.to(receiver), config=postgres.spool(self.conninfo) + FAST, start=False)
        self.addCleanup(cluster.close)
        self.assertEqual(cluster.command("store", "migrate").returncode, 0)
        self.assertEqual(cluster.command("store", "migrate").returncode, 0)
        folder = alone.folder + "/spool"
        refused = cluster.command("store", "move", "--from", folder)
        self.assertEqual((refused.returncode, "another mxhook works" in refused.stderr), (1, True))
        self.assertEqual(alone.stop(), 0)
        self.assertEqual(cluster.command("store", "move", "--from", folder).stdout, "10 moved\n")
        self.assertEqual(os.listdir(folder + "/bodies"), [])
        self.assertEqual(self.sql("SELECT count(*) FROM delivery WHERE due IS NULL AND owner IS NULL"), "10")
        self.assertEqual({id: self.shown(cluster, id) for id in shown}, shown)
        cluster.start()
        refused = cluster.command("store", "move", "--to", cluster.folder + "/out")
        self.assertEqual((refused.returncode, "stop them first" in refused.stderr), (1, True))
        self.assertEqual(cluster.stop(), 0)
        self.assertEqual(cluster.command("store", "move", "--to", cluster.folder + "/out").stdout, "10 moved\n")
        self.assertEqual([self.sql("SELECT count(*) FROM " + table) for table in TABLES], ["0"] * len(TABLES))
        self.assertEqual(cluster.command("store", "move", "--from", cluster.folder + "/out").stdout, "10 moved\n")
        self.assertEqual({id: self.shown(cluster, id) for id in shown}, shown)
        status[0] = 200
        count = len(receiver.posts)
        cluster.start()
        self.assertEqual(cluster.command("queue", "retry", "--all-failed").stdout, "10 due now\n")
        receiver.wait_for(count + 10)
        self.assertEqual(sorted(post.id for post in receiver.posts[count:]), before)
        self.assertEqual({post.id: post.body for post in receiver.posts[count:]}, bodies)
        self.wait_empty()

    def test_what_is_wrong_is_said(self):
        cases = [
            ("host=127.0.0.1 port=1 dbname=x", "refused"),
            ("no conninfo", "in connection info string"),
            (self.pg.conninfo().replace("dbname=postgres", "dbname=nowhere"), "does not exist"),
            (self.conninfo + " user=nobody", "does not exist"),
        ]
        for conninfo, text in cases:
            server = harness.Server({}, config=postgres.spool(conninfo), start=False)
            self.addCleanup(server.close)
            done = server.command("run")
            self.assertEqual(done.returncode, 1, conninfo)
            self.assertIn("spool.postgres: ", done.stderr)
            self.assertIn(text, done.stderr)

    def start_alone(self, conninfo, migrate=False):
        server = harness.Server({}, config=postgres.spool(conninfo, migrate), start=False)
        self.addCleanup(server.close)
        return server.command("run")

    def test_a_server_that_is_too_old_is_refused(self):
        for version, refused in (("14.99", True), ("15.0", False), ("9.6.24", True)):
            pg = postgres.OtherVersion(version)
            self.addCleanup(pg.close)
            done = self.start_alone(pg.conninfo)
            self.assertEqual(done.returncode, 1, version)
            self.assertEqual("older than PostgreSQL 15" in done.stderr, refused, version + ": " + done.stderr)

    def test_tables_that_are_not_this_version(self):
        self.assertIn("no tables of mxhook", self.start_alone(self.conninfo).stderr)
        receiver = self.receiver()
        self.node(receiver).stop()
        self.sql("UPDATE meta SET version = 0")
        self.assertIn("no tables", self.start_alone(self.conninfo).stderr)
        self.sql("UPDATE meta SET version = 99, oldest = 98")
        self.assertIn("too old", self.start_alone(self.conninfo).stderr)
        self.sql("UPDATE meta SET version = 99, oldest = 1")
        self.node(receiver, config=FAST).send(mail("a newer schema that this program may use"))
        receiver.wait_for(1)

    def test_without_rights_it_says_so(self):
        self.sql("CREATE ROLE weak%s LOGIN" % self.database)
        weak = self.conninfo.replace("user=postgres", "user=weak" + self.database)
        self.assertIn("permission denied", self.start_alone(weak, True).stderr)
        self.node(self.receiver()).stop()
        self.assertIn("permission denied", self.start_alone(weak).stderr)

    def test_the_script_of_roles_gives_what_a_node_needs(self):
        receiver = self.receiver(lambda post: 500 if len(receiver.posts) < 2 else 200)
        owner = self.node(receiver)
        owner.stop()
        conninfo, _ = self.least_rights()
        server = self.server(self.to(receiver), config=postgres.spool(conninfo, False) + FAST)
        server.send(mail("big", text="y" * 600000), ["a@example.com", "b@example.com"])
        self.wait_empty()
        self.assertEqual(server.command("nodes").returncode, 0)
        self.assertEqual([line for line in server.log().splitlines() if "permission" in line], [])

    def test_a_table_that_was_tampered_with_loses_nothing_else(self):
        receiver = self.receiver()
        server = self.node(receiver)
        self.sql("ALTER TABLE payload ADD CONSTRAINT c CHECK (size < 100000)")
        with self.assertRaises(Exception):
            server.send(mail("big", text="y" * 150000))
        server.send(mail("small"))
        receiver.wait_for(1)
        self.sql("ALTER TABLE payload DROP CONSTRAINT c")
        server.send(mail("big", text="y" * 150000))
        receiver.wait_for(2)
        self.wait_empty()


if __name__ == "__main__":
    unittest.main()
