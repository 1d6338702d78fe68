#!/usr/bin/env python3
"""What nodes on one PostgreSQL cost and how fast they take over, with a server and a synchronous standby of its own:

  claims     1,000,000 deliveries wait: how long each statement of a node takes (claims of retries, walks, heartbeats, a
             takeover of what a dead node had in hand, the counters that /metrics, queue origins and nodes ask for)
  takeover   from the death of a node (kill -9, SIGSTOP, its network cut) until another has delivered what it had accepted
  memory     peak memory of a node that takes and delivers large messages, beside one with SQLite
  snapshot   a transaction stays open in the database while mail flows: what it does to the tables and the statements

MXHOOK names the program: MXHOOK=build/mxhook tests/bench/cluster_cost.py claims"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("e2e", "faults"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))

if "MXHOOK" not in os.environ and not {"-h", "--help"} & set(sys.argv):
    sys.exit("cluster_cost.py: MXHOOK must name the program, as MXHOOK=build/mxhook")

os.environ.setdefault("MXHOOK", "")
os.environ.setdefault("MXHOOK_PATIENCE", "600")  # a million rows take more than what a test waits
import harness  # noqa: E402
import postgres  # noqa: E402
from harness import wait_until  # noqa: E402
from link import Link  # noqa: E402
from pg_clock import Clock  # noqa: E402

ROOMY = {"shared_buffers": "'512MB'", "max_wal_size": "'8GB'", "autovacuum_naptime": "'10s'"}
NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::int8"
ADMIN = 'admin = { listen = { "127.0.0.1:0" } }\n'
# What a batch is for, by how its first statement begins.
KINDS = [("heartbeat", "UPDATE node SET beat"), ("walk of lanes", "WITH RECURSIVE o AS"), ("claim", "SELECT set_config('jit'"),
         ("payloads of a claim", "SELECT row, tail, size, bytes FROM payload"), ("release of a dead node's, a page", "SELECT set_config('synchronous_commit'"),
         ("ends of attempts", "UPDATE delivery d SET owner = NULL"), ("group of new messages", "INSERT INTO delivery"),
         ("ends, delivered", "DELETE FROM delivery"), ("counters of /metrics", "SELECT (SELECT count(*) FROM delivery WHERE due IS NULL)"),
         ("queue origins", "SELECT w.count"), ("nodes", "SELECT n.id, n.beat"), ("age of the first", "SELECT created <"),
         ("what is mine", "SELECT row FROM delivery WHERE owner"), ("room", "SELECT sum(pg_total_relation_size")]


class Database:
    """A primary and, if wanted, a synchronous standby; a clock before the primary."""

    def __init__(self, standby):
        self.pg = postgres.Postgres(settings=ROOMY)
        self.standby = postgres.Postgres(of=self.pg, settings=ROOMY) if standby else None
        if standby:
            self.pg.synchronous("*")
            self.pg.wait_for_standby()
        self.clock = Clock(self.pg.port)

    def conninfo(self, port=None):
        return "host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable gssencmode=disable" % (port or self.clock.port)

    def close(self):
        self.clock.close()
        for server in (self.standby, self.pg):
            if server:
                server.close()


def kind_of(sql):
    return next((name for name, start in KINDS if sql.startswith(start)), None)


def report(batches, title):
    """Milliseconds of each kind of batch, as the node saw it."""
    print("\n%s\n%-34s %7s %9s %9s %9s %9s %12s" % (title, "batch", "count", "median", "p99", "longest", "mean", "rows (most)"))
    for name, _ in KINDS:
        found = [batch for batch in batches if kind_of(batch.sql) == name]
        if not found:
            continue
        ms = sorted(batch.seconds * 1000 for batch in found)
        print("%-34s %7d %9.1f %9.1f %9.1f %9.1f %12d" % (name, len(ms), statistics.median(ms), ms[int(len(ms) * 0.99)] if len(ms) > 1 else ms[0],
                                                      ms[-1], statistics.mean(ms), max((max(b.rows, default=0) for b in found))))
    sys.stdout.flush()


# ---- Claims ----

def fill(pg, rows, origins, lanes, size):
    """Copies of the one delivery that is there, all of them due, for so many origins and paths of these."""
    began = time.monotonic()
    columns = [name for name in pg.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'delivery'::regclass AND attnum > 0 "
                                       "AND NOT attisdropped ORDER BY attnum").split()]
    changed = {"row": "f.base + g", "payload": "f.base + g", "id": "d.id || '-' || g", "origin": "d.origin + g %% %d" % origins,
               "lane": "d.lane + g %% %d" % max(origins, lanes), "owner": "NULL",
               "due": "%s - g %% 3600000" % NOW}
    pg.sql("SET synchronous_commit = off; CREATE TABLE fill AS SELECT max(row) + 1000000000 AS base FROM delivery; "
           "INSERT INTO payload (row, last, size, bytes) SELECT f.base + g, f.base + g, p.size, p.bytes "
           "FROM fill f, generate_series(1, %d) g, payload p; "
           "INSERT INTO delivery (%s) SELECT %s FROM fill f, generate_series(1, %d) g, delivery d" % (
               rows, ", ".join(columns), ", ".join(changed.get(name, "d." + name) for name in columns), rows))
    for sql in ("DROP TABLE fill", "VACUUM ANALYZE delivery", "VACUUM ANALYZE payload", "CHECKPOINT"):
        pg.sql(sql)
    print("%s deliveries wait, for %d origins, payloads of %s bytes: filled in %.0f s, tables of %s" % (
        pg.sql("SELECT count(*) FROM delivery"), origins, size, time.monotonic() - began,
        pg.sql("SELECT pg_size_pretty(sum(pg_total_relation_size(t::regclass))) FROM unnest(ARRAY['delivery', 'payload']) t")))


def plans(pg):
    """What the server itself says of a claim and of a page of a release, as EXPLAIN ANALYZE."""
    lanes = pg.sql("SELECT string_agg(lane::text, ',') FROM (SELECT lane FROM (SELECT DISTINCT lane FROM delivery) a LIMIT 256) l")
    claim = ("UPDATE delivery d SET owner = 1 WHERE d.row = ANY(ARRAY(SELECT x.row FROM unnest(ARRAY[%s], ARRAY[%s]) w(lane, n), "
             "LATERAL (SELECT row FROM delivery WHERE lane = w.lane AND owner IS NULL AND due IS NOT NULL AND due <= %s "
             "ORDER BY due LIMIT w.n FOR UPDATE SKIP LOCKED) x)) RETURNING d.*" % (lanes, ",".join("1" for _ in lanes.split(",")), NOW))
    release = ("UPDATE delivery SET owner = NULL WHERE row IN (SELECT row FROM delivery WHERE owner IS NOT NULL AND owner NOT IN "
               "(SELECT id FROM node) ORDER BY owner, row LIMIT 1000 FOR UPDATE SKIP LOCKED)")
    for title, before, sql in (("a claim of one each of up to 256 lanes", "", claim),
                               ("a page of a release, of a dead node's 10,000", "UPDATE delivery SET owner = -1 WHERE row IN "
                                "(SELECT row FROM delivery ORDER BY row DESC LIMIT 10000); ", release)):
        lines = pg.sql("BEGIN; %sEXPLAIN (ANALYZE, BUFFERS, COSTS OFF) %s; ROLLBACK" % (before, sql)).splitlines()
        print("\nEXPLAIN ANALYZE of %s:\n%s" % (title, "\n".join("  " + line for line in lines)))


def claims(opts):
    database = Database(not opts.alone)
    receiver = harness.Receiver(lambda post: opts.answer if len(receiver.posts) > 1 else 500)
    config = postgres.spool(database.conninfo()) + ADMIN + 'deliver = { schedule = { "10h" }, attempts = 50, breaker_failures = 100000 }\n'
    rules = {"10.lua": "return function(msg) return '%s/' end" % receiver.url}
    node = harness.Server(rules, config=config)
    try:
        node.send(harness.mail("one of many", text="x" * opts.size))
        wait_until(lambda: database.pg.sql("SELECT count(*) FROM delivery WHERE attempts = 1") == "1", "an attempt")
        node.kill()
        fill(database.pg, opts.rows, opts.origins, opts.lanes, opts.size)
        plans(database.pg)
        node.start()
        node.wait_logged("started")
        time.sleep(5)  # so that it has begun
        database.clock.take()
        posts, began = len(receiver.posts), time.monotonic()
        time.sleep(opts.seconds)
        took = time.monotonic() - began
        report(database.clock.take(), "retries fall due and are claimed, attempted and deferred for %d s (%.0f a second):" % (
            took, (len(receiver.posts) - posts) / took))
        takeover_of_many(database, node, opts.owned)
        asked(database, node)
        return 0
    finally:
        node.close()
        receiver.close()
        database.close()


def takeover_of_many(database, node, owned):
    """A node that has so many in hand, and never beats."""
    database.pg.sql("WITH n AS (INSERT INTO node (id, name, program, version) VALUES (nextval('node_id'), 'dead', 1, 'none') RETURNING id) "
                    "UPDATE delivery SET owner = n.id FROM n WHERE row IN (SELECT row FROM delivery WHERE owner IS NULL AND due IS NOT NULL "
                    "ORDER BY row DESC LIMIT %d)" % owned)
    database.clock.take()
    began = time.monotonic()
    node.wait_logged("node-takeover")
    took = time.monotonic() - began
    batches = database.clock.take()
    pages = [b.seconds for b in batches if kind_of(b.sql) == "release of a dead node's, a page"]
    report(batches, "a dead node's %d are released, and mail goes on: after %.1f s, of which the pages %.0f ms:" % (owned, took, sum(pages) * 1000))


def asked(database, node):
    """What operators and their monitoring ask for."""
    port = re.search(r"admin-listening address=127.0.0.1:(\d+)", node.log()).group(1)
    print("\n%-34s %9s   (the whole command, its start included)" % ("asked for", "ms"))
    for name, command in (("/metrics", ["curl", "-sf", "http://127.0.0.1:%s/metrics" % port]), ("mxhook queue origins", ["queue", "origins"]),
                          ("mxhook nodes", ["nodes"]), ("mxhook queue list --status 418", ["queue", "list", "--status", "418"])):
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True) if command[0] == "curl" else node.command(*command)
        print("%-34s %9.0f   exit code %d" % (name, (time.monotonic() - began) * 1000, done.returncode))
    time.sleep(1)
    report(database.clock.take(), "and what the database took for it:")


# ---- Takeover ----

class Held:
    """Answers of before wait until it is opened, so that a node has its deliveries in hand; later ones are at once."""

    def __init__(self):
        self.event, self.receiver, self.since = threading.Event(), harness.Receiver(self.answer), {}
        self.holding = True

    def answer(self, post):
        if self.holding:
            self.event.wait(60)
            return 200
        self.since.setdefault(post.id, time.monotonic())
        return 200

    def close(self):
        self.event.set()
        self.receiver.close()


def one_takeover(database, how, messages):
    """Seconds from the fault until another node has delivered all that the first had accepted."""
    held = Held()
    rules = {"10.lua": "return function(msg) return '%s/' end" % held.receiver.url}
    link = Link(database.pg.port)
    nodes = [harness.Server(rules, config=postgres.spool(database.conninfo(port)) + 'deliver = { max_per_origin = 1000 }\n')
             for port in (link.port, database.pg.port)]
    try:
        for i in range(messages):
            nodes[0].send(harness.mail("m%d" % i))
        held.receiver.wait_for(messages)
        ids = {post.id for post in held.receiver.posts}
        assert len(ids) == messages
        held.holding, began = False, time.monotonic()
        if how == "kill":
            nodes[0].kill()
        elif how == "stop":
            nodes[0].process.send_signal(signal.SIGSTOP)
        else:
            link.cut()
        wait_until(lambda: ids <= set(held.since), "the takeover", 60)
        took = max(held.since[id] for id in ids) - began
        held.event.set()
        nodes[0].process.send_signal(signal.SIGCONT)
        link.mend()
        if how != "kill":  # it comes back as another node, and tells nothing twice
            nodes[0].wait_logged("node-declared-dead")
        wait_until(lambda: database.pg.sql("SELECT count(*) FROM delivery") == "0", "an empty spool")
        return took
    finally:
        for node in nodes:
            node.close()
        held.close()
        link.close()


def takeover(opts):
    database, worst = Database(not opts.alone), 0
    try:
        for how, name in (("kill", "kill -9"), ("stop", "SIGSTOP"), ("cut", "network to the database cut")):
            took = sorted(one_takeover(database, how, opts.messages) for _ in range(opts.runs))
            worst = max(worst, took[-1])
            print("%-28s %d runs of %d messages in hand: median %.1f s, longest %.1f s  (%s)" % (
                name, opts.runs, opts.messages, statistics.median(took), took[-1], " ".join("%.1f" % t for t in took)), flush=True)
        print("longest of all %.1f s: %s 8 s" % (worst, "less than" if worst < 8 else "NOT less than"))
        return 0 if worst < 8 else 1
    finally:
        database.close()


# ---- Memory ----

def peak(node):
    with open("/proc/%d/status" % node.process.pid) as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024


def one_peak(config, megabytes, at_once):
    """MB above what an idle one had, and the seconds that it took; all that was accepted has arrived."""
    bodies = []
    receiver = harness.Receiver(lambda post: (bodies.append(len(post.body)), setattr(post, "body", b"")) and 200)
    node = harness.Server({"10.lua": "return function(msg) return '%s/' end" % receiver.url},
                          config=config + 'smtp = { max_size = "200 MiB", data_timeout = "10m" }\ndeliver = { max_body = 0, timeout = "5m" }\n')
    try:
        idle, began = peak(node), time.monotonic()
        text = ("x" * 76 + "\r\n") * (megabytes * 1000000 // 78)
        senders = [postgres.Sender(node, "m%d" % i, text=text) for i in range(at_once)]
        for sender in senders:
            sender.join(900)
        assert [sender.answer for sender in senders] == [250] * at_once, [sender.answer for sender in senders]
        receiver.wait_for(at_once, 600)
        assert min(bodies) > megabytes * 1000000
        return idle, peak(node) - idle, time.monotonic() - began
    finally:
        node.close()
        receiver.close()


def memory(opts):
    database = Database(not opts.alone)
    try:
        print("%-28s %12s %12s %9s   (MB of resident memory)" % ("", "idle", "peak, more", "seconds"))
        for megabytes in (int(size) for size in opts.megabytes.split(",")):
            for at_once in (int(count) for count in opts.at_once.split(",")):
                for name, config in (("PostgreSQL", postgres.spool(database.conninfo(database.pg.port), more='commit_timeout = "5m"')), ("SQLite", "")):
                    idle, more, took = one_peak(config, megabytes, at_once)
                    print("%-28s %12.1f %12.1f %9.1f" % ("%s, %d x %d MB" % (name, at_once, megabytes), idle, more, took), flush=True)
        return 0
    finally:
        database.close()


# ---- An open snapshot ----

def snapshot(opts):
    """Mail flows at full rate while a transaction holds the horizon; a line each minute."""
    database = Database(not opts.alone)
    receiver = harness.Receiver(lambda post: setattr(post, "body", b"") or (500 if len(receiver.posts) % 50 == 0 else 200))
    node = harness.Server({"10.lua": "return function(msg) return '%s/' end" % receiver.url}, config=postgres.spool(
        database.conninfo(), more='old_transaction = "%s"' % opts.warn) + 'deliver = { schedule = { "1s" }, attempts = 50, breaker_failures = 100000 }\n')
    sent, ended = [0] * 4, threading.Event()

    def load(i):
        text = harness.mail("m", text="x" * 5000)
        while not ended.is_set():
            with node.smtp() as client:
                for _ in range(50):
                    client.sendmail("a@client.test", ["hook@example.com"], text)
                    sent[i] += 1
    threads = [threading.Thread(target=load, args=(i,)) for i in range(len(sent))]
    try:
        for thread in threads:
            thread.start()
        size = ("SELECT pg_size_pretty(sum(pg_total_relation_size(t::regclass))) FROM unnest(ARRAY['delivery', 'payload', 'attempt']) t")

        def minute(name):
            before = sum(sent)
            database.clock.take()
            time.sleep(opts.seconds / 10)
            report(database.clock.take(), "%s: %.0f messages/s, tables %s, %d warnings" % (
                name, (sum(sent) - before) / (opts.seconds / 10), database.pg.sql(size), len(node.logged("spool-old-transaction"))))
        minute("before")
        old = subprocess.Popen([os.path.join(database.pg.bin, "psql"), "-XAtq", "-h", "127.0.0.1", "-p", str(database.pg.port), "-U", "postgres", "-c",
                                "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM delivery; SELECT pg_sleep(100000)"], stdout=subprocess.DEVNULL)
        for i in range(10):
            minute("open for %.0f s" % (opts.seconds / 10 * (i + 1)))
        old.kill()
        old.wait()
        database.pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(100000)%' AND pid <> pg_backend_pid()")
        for i in range(2):
            minute("ended %.0f s ago" % (opts.seconds / 10 * (i + 1)))
        ended.set()
        for thread in threads:
            thread.join()
        wait_until(lambda: database.pg.sql("SELECT count(*) FROM delivery") == "0", "an empty spool", 300)
        arrived = len({post.id for post in receiver.posts})
        print("\n%d acknowledged, %d arrived" % (sum(sent), arrived))
        return 0 if arrived == sum(sent) else 1
    finally:
        ended.set()
        node.close()
        receiver.close()
        database.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for function in (claims, takeover, memory, snapshot):
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        command.add_argument("--alone", action="store_true", help="without a standby")
        if function is claims:
            command.add_argument("--rows", type=int, default=1000000, help="deliveries that wait (1000000)")
            command.add_argument("--origins", type=int, default=1000, help="among so many origins (1000)")
            command.add_argument("--lanes", type=int, default=0, help="and so many paths in all (as many as origins)")
            command.add_argument("--answer", type=int, default=500, help="what receivers answer (500: all is deferred for long)")
            command.add_argument("--size", type=int, default=200, help="octets of a message's text (200)")
            command.add_argument("--owned", type=int, default=10000, help="that a dead node had in hand (10000)")
        if function is takeover:
            command.add_argument("--runs", type=int, default=10)
            command.add_argument("--messages", type=int, default=50, help="in hand of the node that dies (50)")
        if function is memory:
            command.add_argument("--megabytes", default="25,100")
            command.add_argument("--at-once", default="1,5,20")
        if function in (claims, snapshot):
            command.add_argument("--seconds", type=int, default=30 if function is claims else 600)
        if function is snapshot:
            command.add_argument("--warn", default="1m", help="spool.old_transaction (1m)")
    opts = parser.parse_args()
    if not postgres.binaries():
        sys.exit("cluster_cost.py: PostgreSQL 15 or later is needed: scripts/setup installs it")
    return opts.function(opts)


if __name__ == "__main__":
    sys.exit(main())
