"""servers.py - the servers that scripts/bench measures: how each is started, and what it uses.

A Server listens on `port` of 127.0.0.1 and posts to `url`. To add a peer: a subclass with command() and,
where it can be missing, missing(); then a line in PEERS.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
INSTALLED = os.path.join(ROOT, "build/bench")
SCANNER = os.path.join(HERE, "scanner.json")  # what a scanner answers
PATIENCE = 60  # seconds, for what should take a moment

sys.path.insert(0, os.path.join(ROOT, "tests/auth"))
import nameservers  # noqa: E402


class Failed(Exception):
    """A server did not start, or ended by itself."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise Failed("timed out waiting for " + what)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Process:
    """A child, and what the kernel counts of it."""

    def __init__(self, command, log, cwd=None, env=None):
        self.log = log
        with open(log, "w") as file:
            self.popen = subprocess.Popen(command, stdout=file, stderr=file, cwd=cwd,
                                          env=dict(os.environ, **(env or {})))

    def cpu_seconds(self):
        """User and system time, of all threads, those that ended too."""
        with open("/proc/%d/stat" % self.popen.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, field):
        """VmRSS: now; VmHWM: the most it has ever been."""
        with open("/proc/%d/status" % self.popen.pid) as file:
            return int(re.search(field + r":\s+(\d+) kB", file.read()).group(1)) / 1024

    def check(self):
        if self.popen.poll() is not None:
            with open(self.log) as file:
                raise Failed("ended too early:\n" + file.read()[-4000:])

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class Server:
    name, stores, posts = "", False, True

    def missing(self):
        """Why it cannot run here, or None."""

    def start(self, folder, url):
        self.folder, self.url, self.port = folder, url, free_port()
        os.makedirs(folder)
        command, extra = self.command()
        self.process = Process(command, os.path.join(folder, "log"), **extra)
        try:
            wait_until(lambda: self.process.check() or accepts(self.port), self.name)
        except Failed:
            self.stop()
            raise

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mxhook(Server):
    """more: lines for the end of its configuration; prepare: called with it before it starts; spool: called for each start,
    returns another value of that option."""
    stores = True

    spool = '{ directory = "spool" }'

    def __init__(self, name, binary, auth=False, tls=None, scan=False, more="", prepare=None, spool=None):
        self.name, self.binary, self.auth, self.tls, self.scan = name, os.path.abspath(binary), auth, tls, scan
        self.more, self.prepare, self.make_spool = more, prepare, spool

    def start(self, folder, url):
        # A name server of the test, asked once: mxhook's cache has the answers from then on.
        spf = [(16, nameservers.txt_data("v=spf1 ip4:127.0.0.1 -all"))]
        self.dns = nameservers.FaultyServer(lambda name, kind: spf if (name, kind) == ("bench.example", 16) else 3,
                                            ttl=3600) if self.auth else None
        super().start(folder, url)

    def stop(self):
        super().stop()
        if self.dns:
            self.dns.close()

    def command(self):
        if self.make_spool:
            self.spool = self.make_spool()
        auth = ('{}\ndns = { resolvers = { "127.0.0.1:%d" } }' % self.dns.port if self.auth else
                "{ spf = false, dkim = false, dmarc = false, reverse_name = false }")
        os.makedirs(os.path.join(self.folder, "rules.d"))
        with open(os.path.join(self.folder, "rules.d/10-all.lua"), "w") as file:
            file.write('return function(msg)\n    if msg.envelope.recipient == "hook@bench.example" then '
                       'return "%s" end\nend\n' % self.url)
        listen = '"127.0.0.1:%d"' % self.port
        if self.tls:
            listen = '{ address = %s, tls = "%s" }' % (listen, self.tls)
            self.make_certificate()
        config = os.path.join(self.folder, "mxhook.lua")
        with open(config, "w") as file:
            file.write('hostname = "mx.test"\ndomains = { "bench.example" }\nlisten = { %s }\n'
                       'spool = %s\nauth = %s\n' % (listen, self.spool, auth))
            if self.scan:  # the receiver answers as a scanner too, at once
                file.write('scan = { rspamd = "%s", all = true }\n' % self.url.rsplit("/", 1)[0])
            if self.tls:
                file.write('tls = { certificates = { { certificate = "mx.pem", key = "mx.key" } } }\n')
            file.write(self.more + "\n")
        if self.prepare:
            self.prepare(self)
        return [self.binary, "run", "--config", config], {}

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=mx.test", "-keyout", "mx.key", "-out", "mx.pem"], cwd=self.folder, check=True,
                       stderr=subprocess.DEVNULL)


class Processes:
    """Of all nodes together."""

    def __init__(self, processes):
        self.processes = processes

    def cpu_seconds(self):
        return sum(process.cpu_seconds() for process in self.processes)

    def memory_mb(self, field):
        return sum(process.memory_mb(field) for process in self.processes)

    def check(self):
        for process in self.processes:
            process.check()


class Database:
    """A primary and its synchronous standby, of the tests' own, on the same cores."""

    def __init__(self):
        sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
        os.environ.setdefault("MXHOOK", os.path.join(ROOT, "build/release/mxhook"))  # its harness wants one
        import postgres
        if not postgres.binaries():
            raise Failed("no PostgreSQL 15 or later here (postgresql)")
        self.primary, self.made = postgres.Postgres(), 0
        self.standby = postgres.Postgres(of=self.primary)
        self.primary.synchronous("*")
        self.primary.wait_for_standby()

    def new(self):
        """A database with nothing in it: what says where."""
        self.drop()
        self.made += 1
        self.primary.sql("CREATE DATABASE bench%d" % self.made)
        return self.primary.conninfo().replace("dbname=postgres", "dbname=bench%d" % self.made)

    def spool(self):
        """The option of nodes on a new one."""
        return '{ directory = "spool", postgres = "%s", migrate = true }' % self.new()

    def drop(self):
        if self.made:
            self.primary.sql("DROP DATABASE IF EXISTS bench%d WITH (FORCE)" % self.made)

    def close(self):
        self.standby.close()
        self.primary.close()


class Cluster(Server):
    """So many nodes of mxhook on one database; the load goes to all of them, and their CPU time is added up."""
    stores = True

    def __init__(self, binary, nodes, database):
        self.name = "mxhook, PostgreSQL, %d node%s" % (nodes, "s" * (nodes > 1))
        self.binary, self.count, self.database = binary, nodes, database

    def start(self, folder, url):
        spool = self.database.spool()
        self.nodes = [Mxhook(self.name, self.binary) for _ in range(self.count)]
        for number, node in enumerate(self.nodes):
            node.spool = spool
            node.start(os.path.join(folder, str(number)), url)
        self.port = ",".join(str(node.port) for node in self.nodes)
        self.process = Processes([node.process for node in self.nodes])

    def stop(self):
        for node in self.nodes:
            node.stop()
        shutil.rmtree(os.path.dirname(self.nodes[0].folder), ignore_errors=True)
        self.database.drop()


class Npm(Server):
    def missing(self):
        if not os.path.isdir(os.path.join(INSTALLED, "npm/node_modules", self.package)):
            return "npm's %s is not installed (--peers installs it)" % self.package


class Node(Npm):
    name, package = "Node smtp-server + mailparser", "smtp-server"

    def command(self):
        return (["node", os.path.join(HERE, "peers/node.cjs"), str(self.port), self.url],
                {"cwd": os.path.join(INSTALLED, "npm")})


class Haraka(Npm):
    name, package = "Haraka + mailparser", "Haraka"

    def command(self):
        package = os.path.join(INSTALLED, "npm/node_modules/Haraka")
        with open(os.path.join(package, "config/connection.ini")) as file:
            limits = re.sub(r"(?m)^bytes=.*", "bytes=67108864", file.read())
        files = {"smtp.ini": "listen=127.0.0.1:%d\nnodes=0\n" % self.port, "plugins": "post\n", "me": "mx.test\n",
                 "log.ini": "[main]\nlevel=warn\n", "connection.ini": limits}
        shutil.copytree(os.path.join(HERE, "peers/haraka"), self.folder, dirs_exist_ok=True)
        shutil.copytree(os.path.join(package, "config"), os.path.join(self.folder, "config"))
        for name, text in files.items():
            with open(os.path.join(self.folder, "config", name), "w") as file:
                file.write(text)
        os.symlink(os.path.join(INSTALLED, "npm/node_modules"), os.path.join(self.folder, "node_modules"))
        return (["node", os.path.join(package, "bin/haraka"), "-c", self.folder],
                {"env": {"BENCH_URL": self.url, "BENCH_PAYLOAD": os.path.join(HERE, "peers/payload.cjs")}})


class Aiosmtpd(Server):
    name = "Python aiosmtpd"

    def missing(self):
        code = subprocess.run([sys.executable, "-c", "import aiosmtpd, aiohttp"], stderr=subprocess.DEVNULL).returncode
        if code != 0:
            return "python3-aiosmtpd and python3-aiohttp are not installed (--peers installs them)"

    def command(self):
        return [sys.executable, os.path.join(HERE, "peers/aiosmtpd_peer.py"), str(self.port), self.url], {}


class SmtpSink(Server):
    """Takes mail and throws it away: what accepting alone costs."""
    name, posts = "postfix smtp-sink (accepts only)", False

    def __init__(self):
        unpacked = os.path.join(INSTALLED, "postfix/usr/sbin/smtp-sink")
        self.binary = unpacked if os.path.exists(unpacked) else shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")

    def missing(self):
        if not self.binary:
            return "postfix's smtp-sink is not here (--peers unpacks it)"

    def command(self):
        libraries = os.path.join(INSTALLED, "postfix/usr/lib/postfix")
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        return [self.binary, *user, "127.0.0.1:%d" % self.port, "1024"], {"env": {"LD_LIBRARY_PATH": libraries}}


PEERS = [Node, Haraka, Aiosmtpd, SmtpSink]
