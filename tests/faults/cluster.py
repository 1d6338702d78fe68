"""cluster.py - three nodes, a primary and a synchronous standby, load, and what may happen to each of them.

As a program: python3 cluster.py --rounds 200 --log FILE [--seed N]. A line for each round goes to the file, with what was
acknowledged and delivered so far; rounds that stand in it already count, so that a run can be resumed. At the end of a run
every acknowledged message must have arrived, and every repeat must bear the webhook-id of the first.
"""

import argparse
import collections
import os
import random
import re
import signal
import smtplib
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import faults  # noqa: E402
import harness  # noqa: E402
import postgres  # noqa: E402
from harness import wait_until  # noqa: E402
from link import Link  # noqa: E402
from ports import reserve_port  # noqa: E402

NODES = 3
SKEW = os.environ.get("MXHOOK_SKEW_LIBRARY", "")  # skew.c; without it clocks agree
SETTLE = 90
TABLES = ("delivery", "payload", "tail", "chunk", "staged")


class Pair:
    """Two places for servers, with ports that stay: one holds the primary, the other its synchronous standby."""

    def __init__(self):
        primary = postgres.Postgres()
        port = reserve_port()
        self.links = [Link(primary.port), Link(port)]  # by which the other one follows each
        self.servers = [primary, postgres.Postgres(of=primary, port=port, via=self.links[0].port)]
        self.at = 0
        primary.synchronous("*")
        primary.wait_for_standby()

    @property
    def primary(self):
        return self.servers[self.at]

    @property
    def standby(self):
        return self.servers[1 - self.at]

    def fail_over(self):
        """The standby takes over; the other place gets a standby of it, once the former primary is gone."""
        self.standby.promote()
        self.at = 1 - self.at

    def new_standby(self):
        old = self.standby
        port, old_port = old.port, self.primary.port
        old.close()
        self.servers[1 - self.at] = postgres.Postgres(of=self.primary, port=port, via=self.links[self.at].port)
        assert self.primary.port == old_port
        self.primary.synchronous("*")
        self.primary.wait_for_standby()

    def close(self):
        for thing in self.links + self.servers:
            thing.close()


class Load:
    """Sends numbered messages to the nodes in turn, and notes which were acknowledged."""

    def __init__(self, nodes, threads=3):
        self.nodes, self.lock, self.stopping = nodes, threading.Lock(), False
        self.next, self.acknowledged, self.refused, self.failed = 0, set(), 0, 0
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            self.next += 1
            return self.next

    def run(self, i):
        while not self.stopping:
            number = self.take()
            node = self.nodes[(number + i) % len(self.nodes)]
            text = "z" * (400000 if number % 97 == 0 else 20000 if number % 7 == 0 else 200)
            try:
                with smtplib.SMTP("127.0.0.1", node.port, local_hostname="client.test", timeout=40) as client:
                    client.sendmail("s@client.test", ["a@example.com"] + (["b@example.com"] if number % 5 == 0 else []),
                                    harness.mail("n%d" % number, text=text))
                with self.lock:
                    self.acknowledged.add(number)
            except smtplib.SMTPResponseException:
                self.refused += 1
            except (OSError, smtplib.SMTPException):
                self.failed += 1
            time.sleep(0.05)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)


def number_of(post):
    return int(re.search(rb'"subject":"n(\d+)"', post.body).group(1))


class Cluster:
    def __init__(self):
        self.pair = Pair()
        self.arrived, self.lock = collections.defaultdict(list), threading.Lock()
        self.receiver = harness.Receiver(self.answer)
        self.links = [[Link(server.port) for server in self.pair.servers] for _ in range(NODES)]
        rules = {"10.lua": "return function(msg) return '%s/' .. msg.envelope.recipient end" % self.receiver.url}
        self.nodes = [harness.Server(rules, config=self.config(i), start=False) for i in range(NODES)]
        for node in self.nodes:
            self.start(node)
        self.load = Load(self.nodes)
        self.random = random.Random()

    def config(self, i):
        conninfo = "host=127.0.0.1,127.0.0.1 port=%d,%d user=postgres dbname=postgres" % tuple(link.port for link in self.links[i])
        return postgres.spool(conninfo) + 'deliver = { schedule = { "500ms" }, attempts = 20 }\n'

    def start(self, node):
        """Their clocks are an hour apart, both ways."""
        skew = {"LD_PRELOAD": SKEW, "MXHOOK_SKEW": str(3600 * (self.nodes.index(node) - 1))} if SKEW else {}
        with faults.environment(skew):
            node.start()

    def answer(self, post):
        """One in twenty is refused at first, so that there are retries, too."""
        with self.lock:
            key = (number_of(post), post.path)
            posts = self.arrived[key]
            posts.append(post.id)
            post.body = b""
            return 500 if len(posts) == 1 and key[0] % 20 == 0 else 200

    # What may happen.

    def kill_node(self):
        node = self.random.choice(self.nodes)
        node.kill()
        time.sleep(self.random.uniform(0, 8))
        self.start(node)

    def freeze_node(self):
        node = self.random.choice(self.nodes)
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(self.random.choice([1, 3, 7, 11]))
        node.process.send_signal(signal.SIGCONT)

    def kill_primary(self):
        self.pair.primary.kill()
        time.sleep(self.random.uniform(0, 2))
        self.pair.fail_over()
        self.pair.new_standby()

    def freeze_primary(self):
        old = self.pair.primary
        old.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0, 3))
        self.pair.fail_over()
        if self.random.random() < 0.5:  # it wakes, and says that it takes writes
            old.send_signal(signal.SIGCONT)
            time.sleep(2)
        self.pair.new_standby()

    def restart_primary(self):
        self.pair.primary.stop(signal.SIGQUIT if self.random.random() < 0.5 else signal.SIGINT)
        time.sleep(self.random.uniform(0, 3))
        self.pair.primary.start()
        self.pair.primary.wait_for_standby()

    def freeze_standby(self):
        standby = self.pair.standby
        standby.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(1, 15))
        standby.send_signal(signal.SIGCONT)

    def cut_connections(self):
        for _ in range(10):
            self.pair.primary.try_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = "
                                      "'client backend' AND pid <> pg_backend_pid()")
            time.sleep(0.1)

    def cancel_waits(self):
        for _ in range(10):
            self.pair.primary.try_sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = "
                                      "'client backend' AND pid <> pg_backend_pid()")
            time.sleep(0.1)

    def slow_network(self):
        """Between nodes and servers, and between these."""
        links = sum(self.links, self.pair.links)
        for link in links:
            link.delay = self.random.choice([0.01, 0.05, 0.2])
        time.sleep(self.random.uniform(2, 6))
        for link in links:
            link.delay = 0

    def cut_node_off(self):
        """From both servers, for less than its death takes, or for more."""
        links = self.random.choice(self.links)
        for link in links:
            link.cut()
        time.sleep(self.random.choice([1, 3, 9]))
        for link in links:
            link.mend()

    def cut_primary_off(self):
        """From its standby."""
        link = self.pair.links[self.pair.at]
        link.cut()
        time.sleep(self.random.uniform(1, 9))
        link.mend()

    EVENTS = [kill_node, freeze_node, kill_primary, freeze_primary, restart_primary, freeze_standby, cut_connections,
              cancel_waits, slow_network, cut_node_off, cut_primary_off]
    PROMOTIONS = [kill_primary, freeze_primary]

    def settle(self):
        """Until every node takes mail again."""
        def takes(node):
            try:
                node.send(harness.mail("n0"))
                return True
            except (OSError, smtplib.SMTPException):
                time.sleep(0.3)
                return False
        for node in self.nodes:
            wait_until(lambda: takes(node), "mail to be taken again", SETTLE)

    def round(self, seed, number):
        """Each kind once in as many rounds as there are kinds, in an order of its own; promotions twice in long runs."""
        deck = self.EVENTS + self.PROMOTIONS
        random.Random(seed * 1000 + number // len(deck)).shuffle(deck)
        event = deck[number % len(deck)]
        self.random.seed(seed * 1000 + number)
        time.sleep(self.random.uniform(0.3, 1))
        began = time.monotonic()
        event(self)
        self.settle()
        return event.__name__, time.monotonic() - began

    def finish(self):
        """What was acknowledged and has not arrived; repeats; ids that differ for one message and recipient."""
        self.load.stop()
        counts = "SELECT " + ", ".join("(SELECT count(*) FROM %s) AS %s" % (table, table) for table in TABLES)
        try:  # what was refused, but stored, may still come and go
            wait_until(lambda: self.pair.primary.try_sql(counts) == "0|0|0|0|0", "an empty spool", 2 * SETTLE)
        except harness.TimedOut:
            pass
        lost, repeats, strange = [], 0, []
        for number in self.load.acknowledged:
            for name in ["a"] + (["b"] if number % 5 == 0 else []):
                ids = self.arrived.get((number, "/%s@example.com" % name), [])
                lost += [number] if not ids else []
                wanted = 2 if number % 20 == 0 else 1
                repeats += max(0, len(ids) - wanted)
                strange += [number] if len(set(ids)) > 1 else []
        left = self.pair.primary.sql(counts)  # all in one snapshot: a late message is there as a whole or not
        if left != "0|0|0|0|0":
            left += "\n" + "\n".join("%s: %s" % (table, self.pair.primary.sql("SELECT row_to_json(t) FROM (SELECT * FROM %s LIMIT 9) t"
                                                                             % table)[:3000]) for table in TABLES)
        return lost, repeats, strange, left

    def close(self):
        self.load.stopping = True
        for node in self.nodes:
            try:
                node.process.send_signal(signal.SIGCONT)
            except ProcessLookupError:
                pass
            node.close()
        self.receiver.close()
        for link in sum(self.links, []):
            link.close()
        self.pair.close()


def run(rounds, log, seed, batch=20, seconds=None):
    """In clusters of `batch` rounds each, so that a fault is near its cause. False: something was lost."""
    end = time.monotonic() + seconds if seconds else None
    if not SKEW:
        print("cluster: without MXHOOK_SKEW_LIBRARY the nodes' clocks agree")
    done = sum(line.startswith("round ") for line in open(log)) if os.path.exists(log) else 0
    while done < rounds and not (end and time.monotonic() > end):
        cluster = Cluster()
        try:
            for _ in range(min(batch, rounds - done)):
                done += 1
                name, took = cluster.round(seed, done)
                with open(log, "a") as file:
                    print("round %d %s seconds=%.1f sent=%d acknowledged=%d refused=%d failed=%d" % (
                        done, name, took, cluster.load.next, len(cluster.load.acknowledged), cluster.load.refused,
                        cluster.load.failed), file=file)
                if end and time.monotonic() > end:
                    break
            lost, repeats, strange, left = cluster.finish()
            with open(log, "a") as file:
                print("end acknowledged=%d lost=%s repeats=%d ids-that-differ=%s left=%s" % (
                    len(cluster.load.acknowledged), lost, repeats, strange, left), file=file)
            if lost or strange or left != "0|0|0|0|0":
                return False
        except BaseException:
            with open(log, "a") as file:
                for node in cluster.nodes:
                    print("---- %s\n%s" % (node.folder, "\n".join(
                        line for line in node.log().splitlines() if " info " not in line)[-3000:]), file=file)
            raise
        finally:
            cluster.close()
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--log", default="cluster.log")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, help="end after so many, at the end of a round")
    arguments = parser.parse_args()
    sys.exit(0 if run(arguments.rounds, arguments.log, arguments.seed, seconds=arguments.seconds) else 1)
