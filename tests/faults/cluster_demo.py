"""cluster_demo.py - what scripts/demo --nodes N shows: N nodes on one PostgreSQL, mail to all of them, one killed, all arrives."""

import collections
import sys
import time

import harness
import postgres

MESSAGES = 30


def main(count):
    if not postgres.binaries():
        sys.exit("demo: PostgreSQL 15 or later is needed: scripts/setup installs it")
    server, nodes = postgres.Postgres(), []
    # Answers wait, so that the node that is killed has something in hand.
    receiver = harness.Receiver(lambda post: time.sleep(1) or 200)
    try:
        config = postgres.spool(server)
        rules = {"10-all.lua": "return function(msg) return '%s/' end" % receiver.url}
        nodes = [harness.Server(rules, config=config) for _ in range(count)]
        print("== %d nodes on one PostgreSQL (mxhook nodes)" % count)
        print(nodes[0].command("nodes").stdout, end="")
        for i in range(MESSAGES):
            nodes[i % count].send(harness.mail("message %d" % i))
        print("== %d messages accepted; the last node is killed (kill -9) with %s in hand" % (
            MESSAGES, server.sql("SELECT count(*) FROM delivery WHERE owner = (SELECT max(id) FROM node)")))
        killed = time.monotonic()
        nodes[-1].kill()
        harness.wait_until(lambda: server.sql("SELECT count(*) FROM delivery") == "0", "all to arrive")
        took, posts = time.monotonic() - killed, collections.Counter(post.id for post in receiver.posts)
        for node in nodes[:-1]:
            print("".join(line + "\n" for event in ("node-dead", "node-takeover") for line in node.logged(event)), end="")
        print("== after %.1f s all has arrived: %d messages, %d of them twice (with the same webhook-id)" % (
            took, len(posts), sum(n > 1 for n in posts.values())))
        print(nodes[0].command("nodes").stdout, end="")
        return 0 if len(posts) == MESSAGES else 1
    finally:
        for node in nodes:
            node.close()
        receiver.close()
        server.close()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
