"""bench.py - what scripts/bench runs once all is built: see --help.

Each round starts every server anew, one after the other, warms it up, and sends the load (load.c), which a
web server receives (receiver.c).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import budget
import mails
import servers

# Messages, sessions, and messages of a session, where the options do not say.
LOADS = {"5k": (3000, 50, 10), "100k": (600, 50, 10), "10m": (20, 20, 1)}
WARM_UP = 500  # messages at most
SETTLE = 0.3   # seconds after the last POST, for what is still written down: it counts as the server's CPU


def options():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures mxhook: server, load generator and receiving web server on loopback, on the same cores.",
        epilog="""columns:
  msg/s      from the first connection until the last POST has arrived
  msg/CPU-s  messages for each second of CPU time that the server used, user and system, all threads
  x best     that, as a multiple of the best peer's
  p50 p99    ms, from MAIL FROM until the answer to the end of DATA
  idle, peak resident memory in MB: before the first message, and at most
  lost       acknowledged, but not posted
Figures are medians of the rounds. Other work on the machine spoils msg/s and the latencies, less so messages for each
CPU-second; the load average is printed for that reason. Paths count from the project's folder.

examples:
  scripts/bench --peers                           the comparison of README.md here
  scripts/bench --message 100k,10m
  scripts/bench --against build/old/mxhook        what a change has brought
  scripts/bench --postgres 1,2,4                  nodes that share a database, beside one with SQLite
  scripts/bench --cost                            a message's instructions, against the figure that is committed""")
    parser.add_argument("--message", metavar="5k,100k,10m,FILE", default="5k",
                        help="what is sent: made by mails.py, or an .eml of yours; several by comma (default: 5k)")
    parser.add_argument("--messages", type=int, help="how many in a round (default: 3000 of 5k, 600 of 100k, 20 of 10m)")
    parser.add_argument("--sessions", type=int, help="at once (default: 50; 20 of 10m)")
    parser.add_argument("--per-session", type=int, help="messages in a session (default: 10; 1 of 10m)")
    parser.add_argument("--rounds", type=int, default=3, help="in each, every server has its turn (default: 3)")
    parser.add_argument("--peers", action="store_true",
                        help="install and measure other servers too: Node smtp-server, Haraka, Python aiosmtpd, which "
                        "post without storing, and postfix's smtp-sink, which accepts only")
    parser.add_argument("--budget", action="store_true",
                        help="sample mxhook with perf once more, and print where a message's CPU time goes")
    parser.add_argument("--against", metavar="BINARY", action="append", default=[],
                        help="measure this build of mxhook too (may be given again)")
    parser.add_argument("--only", metavar="TEXT", help="only the servers whose name contains this")
    parser.add_argument("--no-auth", action="store_true", help="leave out mxhook with SPF, DKIM and DMARC on")
    parser.add_argument("--scan", action="store_true", help="measure it too with a scanner that answers at once")
    parser.add_argument("--with", metavar="LINES", action="append", default=[], dest="more",
                        help="measure it too with these lines in its configuration (may be given again)")
    parser.add_argument("--postgres", metavar="NODES,NODES", help="measure so many nodes too, on a PostgreSQL with a synchronous standby")
    parser.add_argument("--json", metavar="FILE", help="write every round's figures there")
    parser.add_argument("--pipelining", action="store_true", help="clients send MAIL, RCPT and DATA in one write")
    parser.add_argument("--tls", choices=["starttls", "implicit"], help="clients use it; mxhook only")
    return parser.parse_args()


TOOLS = {"load": (["load.c", "session.c", "load.h"], ["-lssl", "-lcrypto"]), "receiver": (["receiver.c"], ["-luv"])}


def compile_tools():
    """Makes the load generator, the receiver and the messages in build/bench; where they are."""
    out = servers.INSTALLED
    mails.write_all(os.path.join(out, "mails"))
    for name, (sources, libraries) in TOOLS.items():
        sources = [os.path.join(servers.HERE, source) for source in sources]
        binary = os.path.join(out, name)
        if os.path.exists(binary) and os.path.getmtime(binary) > max(map(os.path.getmtime, sources)):
            continue
        new = "%s.%d" % (binary, os.getpid())  # another run may be using the old one
        code = [source for source in sources if source.endswith(".c")]
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-o", new, *code, *libraries], check=True)
        os.replace(new, binary)
    return out


class Receiver:
    """receiver.c, running."""

    def __init__(self, tools, log):
        self.process = servers.Process([os.path.join(tools, "receiver"), "--scanner", servers.SCANNER], log)
        self.port = servers.wait_until(lambda: self.process.check() or self.listens_on(log), "the receiver")
        self.url = "http://127.0.0.1:%d/mail" % self.port

    def listens_on(self, log):
        with open(log) as file:
            return int(file.readline() or 0)

    def get(self, path):
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.port, path), timeout=servers.PATIENCE) as answer:
            return answer.read()

    def reset(self, run):
        self.get("/reset?run=%08x" % run)

    def stats(self):
        return json.loads(self.get("/stats"))

    def wait_for(self, count):
        """Until so many messages have arrived, or none has for some seconds."""
        seen, since = -1, time.monotonic()
        while True:
            stats = self.stats()
            if stats["unique"] >= count or time.monotonic() > since + 10:
                return stats
            if stats["unique"] != seen:
                seen, since = stats["unique"], time.monotonic()
            time.sleep(0.02)


class Bench:
    """extra: more options for the load generator."""

    def __init__(self, tools, folder, receiver, extra):
        self.tools, self.folder, self.receiver, self.extra = tools, folder, receiver, extra
        self.runs = int(time.time()) & 0xffffff

    def send(self, server, mail, messages, sessions, per_session):
        """Sends, and waits until all has arrived: the load's report, the receiver's, and the run's end."""
        self.runs += 1
        self.receiver.reset(self.runs)
        command = [os.path.join(self.tools, "load"), "--port", str(server.port), "--sessions", str(sessions), "--messages",
                   str(messages), "--per-session", str(per_session), "--file", mail, "--run", "%08x" % self.runs]
        done = subprocess.run(command + self.extra, stdout=subprocess.PIPE, text=True)
        report = json.loads(done.stdout)
        server.process.check()
        if report["acknowledged"] < messages:
            print("bench: %s: %d of %d not acknowledged: %s" % (
                server.name, messages - report["acknowledged"], messages, report["last_error"]), flush=True)
        stats = self.receiver.wait_for(report["acknowledged"]) if server.posts else {"unique": report["acknowledged"], "last": 0}
        return report, stats

    def measure(self, server, mail, load):
        folder = os.path.join(self.folder, "server")
        server.start(folder, self.receiver.url)
        try:
            time.sleep(SETTLE)
            server.process.check()
            idle = server.process.memory_mb("VmRSS")
            messages, sessions, per_session = load
            self.send(server, mail, min(messages, WARM_UP), sessions, per_session)
            time.sleep(SETTLE)
            before = server.process.cpu_seconds()
            report, stats = self.send(server, mail, *load)
            time.sleep(SETTLE)
            cpu = server.process.cpu_seconds() - before
            seconds = max(report["end"], stats["last"]) - report["begin"]
            return {"server": server.name, "acknowledged": report["acknowledged"], "failed": messages - report["acknowledged"],
                    "lost": report["acknowledged"] - stats["unique"], "seconds": seconds, "per_second": report["acknowledged"] / seconds,
                    "cpu_seconds": cpu, "per_cpu_second": report["acknowledged"] / max(cpu, 0.01),
                    "p50_ms": report["latency_ms"]["p50"], "p99_ms": report["latency_ms"]["p99"], "idle_mb": idle,
                    "peak_mb": server.process.memory_mb("VmHWM"), "load_average": os.getloadavg()[0]}
        finally:
            server.stop()

    def sample(self, server, mail, load):
        """The shares of a message's CPU time, by part of mxhook."""
        server.start(os.path.join(self.folder, "server"), self.receiver.url)
        try:
            self.send(server, mail, min(load[0], WARM_UP), *load[1:])
            recording = budget.Recording(server.process.popen.pid, os.path.join(self.folder, "perf.data"))
            self.send(server, mail, *load)
            return budget.shares(recording.text())
        finally:
            server.stop()


def table(contestants, results):
    """Rows of text, from each server's rounds."""
    def middle(name, key):
        return statistics.median(r[key] for r in results if r["server"] == name)

    names = [s.name for s in contestants if any(r["server"] == s.name for r in results)]
    peers = [s.name for s in contestants if s.posts and not s.stores and s.name in names]
    best = max((middle(name, "per_cpu_second") for name in peers), default=None)
    rows = [("", "stores", "msg/s", "msg/CPU-s", "x best", "p50 ms", "p99 ms", "idle MB", "peak MB", "failed", "lost")]
    for server in contestants:
        if server.name not in names:
            continue
        cpu = middle(server.name, "per_cpu_second")
        total = [sum(r[key] for r in results if r["server"] == server.name) for key in ("failed", "lost")]
        rows.append((server.name, "yes" if server.stores else "no", "%.0f" % middle(server.name, "per_second"),
                     "%.0f" % cpu, "%.1f" % (cpu / best) if best else "-",
                     "%.1f" % middle(server.name, "p50_ms"), "%.1f" % middle(server.name, "p99_ms"),
                     "%.1f" % middle(server.name, "idle_mb"), "%.1f" % middle(server.name, "peak_mb"),
                     str(total[0]), str(total[1])))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))) for row in rows)


def contestants_of(opts, database):
    mxhook = os.environ.get("MXHOOK", os.path.join(servers.ROOT, "build/release/mxhook"))
    found = [servers.Mxhook("mxhook", mxhook, tls=opts.tls)]
    if not opts.no_auth:
        found.append(servers.Mxhook("mxhook, SPF DKIM DMARC on", mxhook, auth=True, tls=opts.tls))
    if opts.scan:
        found.append(servers.Mxhook("mxhook, scanned", mxhook, tls=opts.tls, scan=True))
    found += [servers.Mxhook("mxhook, " + lines, mxhook, tls=opts.tls, more=lines) for lines in opts.more]
    found += [servers.Mxhook(path, path, tls=opts.tls) for path in opts.against]
    found += [servers.Cluster(mxhook, int(nodes), database) for nodes in (opts.postgres or "").split(",") if nodes]
    for peer in (kind() for kind in servers.PEERS) if opts.peers else ():
        why = peer.missing()
        if why:
            print("bench: without %s: %s" % (peer.name, why))
        else:
            found.append(peer)
    return [server for server in found if not opts.only or opts.only in server.name]


def load_of(opts, name):
    messages, sessions, per_session = LOADS.get(name, LOADS["5k"])
    return (opts.messages or messages, opts.sessions or sessions, opts.per_session or per_session)


def run_rounds(bench, contestants, mail, load, rounds):
    """Every server in turns. One that fails is said, and taken out of the list."""
    results = []
    for number in range(rounds):
        for server in list(contestants):
            try:
                results.append(dict(bench.measure(server, mail, load), round=number + 1))
            except servers.Failed as error:
                print("bench: without %s: %s" % (server.name, error), flush=True)
                contestants.remove(server)
    return results


def print_budget(bench, server, results, mail, load):
    cpu = 1e6 / statistics.median(r["per_cpu_second"] for r in results if r["server"] == server.name)
    print("CPU time of a message of %s: %.0f us" % (server.name, cpu))
    for part, share in bench.sample(server, mail, load):
        print("%7.1f us  %4.1f %%  %s" % (cpu * share, 100 * share, part))


def measure_messages(opts, bench, contestants):
    """All messages that the options name; prints as it goes, and returns every round's figures."""
    everything = []
    for name in opts.message.split(","):
        mail = os.path.join(bench.tools, "mails", name + ".eml") if name in LOADS else name
        load = load_of(opts, name)
        print("%s: %d bytes; %d messages, %d sessions at once, %d messages in each; rounds: %d; cores: %d; load "
              "average before: %.1f" % (name, os.path.getsize(mail), *load, opts.rounds, os.cpu_count(),
                                        os.getloadavg()[0]), flush=True)
        results = run_rounds(bench, contestants, mail, load, opts.rounds)
        print(table(contestants, results), flush=True)
        if opts.budget and contestants:
            print_budget(bench, contestants[0], results, mail, load)
        everything += [dict(result, message=name) for result in results]
    return everything


def main():
    opts = options()
    if opts.tls and opts.peers:
        sys.exit("bench: --tls is for mxhook only; the peers are set up without")
    if opts.budget and not shutil.which("perf"):
        sys.exit("bench: --budget needs perf (Debian's linux-perf)")
    tools = compile_tools()
    try:
        database = servers.Database() if opts.postgres else None
    except servers.Failed as error:
        sys.exit("bench: %s" % error)
    contestants = contestants_of(opts, database)
    wanted = [server.name for server in contestants if server.stores]
    # Not in /tmp, which may be memory: the spool is to be synced to a disk.
    folder = tempfile.mkdtemp(prefix="run-", dir=tools)
    extra = (["--pipelining"] if opts.pipelining else []) + (["--tls", opts.tls] if opts.tls else [])
    receiver = Receiver(tools, os.path.join(folder, "receiver"))
    try:
        everything = measure_messages(opts, Bench(tools, folder, receiver, extra), contestants)
    except OSError as error:
        sys.exit("bench: %s" % error)
    finally:
        receiver.process.stop()
        shutil.rmtree(folder, ignore_errors=True)
        if database:
            database.close()
    if opts.json:
        with open(opts.json, "w") as file:
            json.dump(everything, file, indent=1)
    complete = all(name in [server.name for server in contestants] for name in wanted)
    return 0 if complete and all(r["lost"] == 0 and r["failed"] == 0 for r in everything) else 1


if __name__ == "__main__":
    sys.exit(main())
