"""cases.py - mxhook with other options, with many aliases, with a long queue: what a message costs then, and a start.

A Case has lines for the configuration, a function that prepares the server's folder before it starts, or another spool.
To add a kind: an option in add_options() and what makes its cases in chosen().
"""

import atexit
import os
import sqlite3
import subprocess
import tempfile

import servers

DEAD = "http://127.0.0.1:9/dead"  # nothing listens there
CALLS = ('local key = "m:" .. msg.message_id', 'store.add("m:" .. msg.message_id, 1, 3600)', 'store.once("m:" .. msg.message_id, 3600)')
LATER = 4_000_000_000_000         # ms; when what waits in the queue is due


class Case:
    """As servers.Mxhook has them."""

    def __init__(self, name, **more):
        self.name, self.more = name, more


def add_options(parser):
    parser.add_argument("--with", metavar="LINES", action="append", default=[], dest="more",
                        help="a table: with these lines in its configuration (may be given again)")
    parser.add_argument("--aliases", metavar="N,N", type=numbers, default=[], help="a table: with so many aliases in a file")
    parser.add_argument("--rules", metavar="FOLDER", nargs="?", const=os.path.join(servers.ROOT, "rules.d"),
                        help="a table: with the example rules (of that folder), and with rules that call store.add and store.once")
    parser.add_argument("--queue", metavar="N,N", type=numbers, default=[],
                        help="a table: with so many deliveries waiting for another destination")
    parser.add_argument("--postgres", action="store_true",
                        help="a table: with the spool and the history in PostgreSQL (its own work is not counted)")


def numbers(text):
    return [int(number) for number in text.split(",")]


def chosen(opts):
    return ([Case(lines, more=lines) for lines in opts.more] +
            [Case("%d aliases" % count, prepare=lambda server, count=count: write_aliases(server, count))
             for count in opts.aliases] +
            ([Case("the example rules", prepare=lambda server: write_examples(server, opts.rules))] +
             [Case("a rule with " + call, prepare=lambda server, call=call: write_call(server, call)) for call in CALLS]
             if opts.rules else []) +
            [Case("%d in the queue" % count, prepare=lambda server, count=count: fill_queue(server, count))
             for count in opts.queue] +
            ([Case("PostgreSQL", spool=database().spool)] if opts.postgres else []))


def database():
    made = servers.Database()
    atexit.register(made.close)
    return made


def write_aliases(server, count):
    """The recipient of every message is the last one of them; there is no other rule."""
    with open(os.path.join(server.folder, "aliases.csv"), "w") as file:
        for number in range(count - 1):
            file.write("user%d@bench.example,%s\n" % (number, server.url))
        file.write("hook@bench.example,%s\n" % server.url)
    os.unlink(os.path.join(server.folder, "rules.d/10-all.lua"))
    with open(os.path.join(server.folder, "rules.d/10-aliases.lua"), "w") as file:
        file.write('return alias.file("../aliases.csv")\n')


def write_examples(server, folder):
    """The example rules, for the bench's recipient: the alias hook@ takes its mail, after two rules that only look."""
    os.unlink(os.path.join(server.folder, "rules.d/10-all.lua"))
    for name in os.listdir(folder):
        if name.endswith(".lua") and not name.endswith("_test.lua"):
            with open(os.path.join(folder, name)) as file:
                text = file.read().replace("example.com", "bench.example").replace("http://127.0.0.1:8080/mail", server.url)
            with open(os.path.join(server.folder, "rules.d", name), "w") as file:
                file.write(text)


def write_call(server, call):
    """A rule that makes this call, a key for each message, before the one that answers."""
    with open(os.path.join(server.folder, "rules.d/05-call.lua"), "w") as file:
        file.write('local store = require "mxhook.store"\nreturn function(msg) %s end\n' % call)


def fill_queue(server, count):
    """One message is stored by mxhook itself, and its row made many."""
    if count == 0:
        return
    path = os.path.join(server.folder, "mxhook.lua")
    with open(os.path.join(server.folder, "rules.d/10-all.lua")) as file:
        rules = file.read()
    with open(os.path.join(server.folder, "rules.d/10-all.lua"), "w") as file:
        file.write('return function() return "%s" end\n' % DEAD)
    process = servers.Process([server.binary, "run", "--config", path], os.path.join(server.folder, "log"))
    try:
        servers.wait_until(lambda: process.check() or servers.accepts(server.port), "mxhook")
        subprocess.run(["swaks", "--server", "127.0.0.1:%d" % server.port, "--from", "a@bench.example", "--to",
                        "hook@bench.example"], check=True, stdout=subprocess.DEVNULL)
    finally:
        process.stop()
    with open(os.path.join(server.folder, "rules.d/10-all.lua"), "w") as file:
        file.write(rules)
    multiply(os.path.join(server.folder, "spool/spool.db"), count)


def multiply(path, count):
    db = sqlite3.connect(path, isolation_level=None)
    columns = [row[1] for row in db.execute("PRAGMA table_info(delivery)")]
    new = {"row": "n", "payload": "n", "due": str(LATER), "id": "'dead' || n || '-1-1'"}
    row, = db.execute("SELECT max(row) FROM delivery").fetchone()
    numbered = "WITH RECURSIVE c(n) AS (SELECT %d UNION ALL SELECT n + 1 FROM c WHERE n < %d)" % (row + 1, row + count - 1)
    db.execute("BEGIN")
    db.execute("UPDATE delivery SET due = %d" % LATER)
    db.execute("%s INSERT INTO delivery(%s) SELECT %s FROM c, (SELECT * FROM delivery WHERE row = %d)" % (
        numbered, ", ".join(columns), ", ".join(new.get(column, column) for column in columns), row))
    db.execute("%s INSERT INTO payload(row, last, bytes) SELECT n, n, (SELECT bytes FROM payload WHERE row = %d) FROM c"
               % (numbered, row))
    db.execute("COMMIT")
    db.close()


def start(binary, case):
    """Seconds of CPU and MB of memory of a start, until it accepts connections."""
    with tempfile.TemporaryDirectory(prefix="mxhook-cost-", dir=servers.INSTALLED) as folder:
        server = servers.Mxhook("mxhook", binary, **case.more)
        server.start(os.path.join(folder, "server"), DEAD)
        try:
            return server.process.cpu_seconds(), server.process.memory_mb("VmRSS")
        finally:
            server.stop()


def table(binary, chosen_cases, instructions):
    """Prints a row for each; instructions(case) counts those of a message."""
    os.makedirs(servers.INSTALLED, exist_ok=True)
    print("%12s %12s %12s  %s" % ("instructions", "start, CPU s", "resident MB", ""))
    for case in [Case("as the others begin"), *chosen_cases]:
        seconds, memory = start(binary, case)
        print("%12.0f %12.2f %12.1f  %s" % (instructions(case), seconds, memory, case.name), flush=True)
    return 0
