"""postgres.py - PostgreSQL servers of a test's own: a primary, and standbys that are synchronous.

Each is made by initdb in a folder of its own, listens on 127.0.0.1 only, on a port that the kernel
picked, and ends with the test. PostgreSQL refuses to run as root: then it runs as the user postgres.
"""

import atexit
import glob
import os
import pwd
import shutil
import signal
import smtplib
import socketserver
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from ports import reserve_port

PATIENCE = float(os.environ.get("MXHOOK_PATIENCE", 60))
SETTINGS = {
    "listen_addresses": "'127.0.0.1'", "unix_socket_directories": "''", "fsync": "on",
    "shared_buffers": "'64MB'", "max_connections": "60", "autovacuum_naptime": "'5s'",
    "wal_keep_size": "'256MB'", "max_wal_senders": "10", "hot_standby": "on", "synchronous_commit": "on",
    "wal_sender_timeout": "'5s'", "wal_receiver_timeout": "'5s'", "wal_retrieve_retry_interval": "'200ms'",
    "log_min_messages": "warning",
}


def binaries():
    """The folder of initdb and postgres; None where there is no PostgreSQL of 15 or later."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    versions = sorted((int(path.split("/")[4]), os.path.dirname(path)) for path in found if path.split("/")[4].isdigit())
    return versions[-1][1] if versions and versions[-1][0] >= 15 else None


def as_postgres():
    """What subprocess needs to run as somebody whom PostgreSQL takes."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Postgres:
    """One server. `of`: the primary that it is a standby of, named `name` there; `via`: by which port of that."""

    def __init__(self, of=None, name="standby", settings=None, port=None, via=None):
        self.bin, self.process, self.name = binaries(), None, name
        self.folder = tempfile.mkdtemp(prefix="mxhook-pg-")
        os.chmod(self.folder, 0o755)
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.data, self.port = os.path.join(self.folder, "data"), port or reserve_port()
        if of:
            self.run("pg_basebackup", "-h", "127.0.0.1", "-p", str(of.port), "-U", "postgres", "-D", self.data, "-c", "fast",
                     "-X", "stream")
            self.follow(via or of.port)
        else:
            shutil.rmtree(self.data, ignore_errors=True)
            self.run_program(["cp", "-r", self.template(), self.data])
            with open(os.path.join(self.data, "pg_hba.conf"), "a") as hba:
                hba.write("host replication all 127.0.0.1/32 trust\n")
        self.settings = dict(SETTINGS, **(settings or {}))
        self.start()

    made = []  # the folder that initdb has made, once in a process

    def template(self):
        if not Postgres.made:
            folder = tempfile.mkdtemp(prefix="mxhook-pg-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            os.chmod(folder, 0o755)
            if os.getuid() == 0:
                shutil.chown(folder, "postgres", "postgres")
            self.run("initdb", "-D", os.path.join(folder, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
                     "--no-sync")
            Postgres.made.append(os.path.join(folder, "data"))
        return Postgres.made[0]

    def run(self, program, *arguments):
        self.run_program([os.path.join(self.bin, program), *arguments])

    def run_program(self, command):
        done = subprocess.run(command, capture_output=True, text=True, cwd="/",
                              timeout=PATIENCE * 2, **as_postgres())
        if done.returncode != 0:
            raise AssertionError("%s: %s%s" % (command[0], done.stdout, done.stderr))

    def follow(self, port):
        self.write("standby.signal", "")
        self.write("postgresql.auto.conf", "primary_conninfo = 'host=127.0.0.1 port=%d user=postgres application_name=%s'\n"
                   "synchronous_standby_names = '*'\n" % (port, self.name))

    def write(self, name, text):
        path = os.path.join(self.data, name)
        with open(path, "w") as file:
            file.write(text)
        if os.getuid() == 0:
            shutil.chown(path, "postgres", "postgres")

    def start(self):
        options = [part for key, value in self.settings.items() for part in ("-c", "%s=%s" % (key, value.strip("'")))]
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.process = subprocess.Popen([os.path.join(self.bin, "postgres"), "-D", self.data, "-p", str(self.port), *options],
                                            stdout=log, stderr=log, cwd="/", start_new_session=True, **as_postgres())
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.try_sql("SELECT 1") == "1":
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError("PostgreSQL did not start:\n" + self.log())

    def log(self):
        with open(os.path.join(self.folder, "log")) as file:
            return file.read()

    def try_sql(self, sql, database="postgres", seconds=10):
        """What psql prints; None where it failed."""
        try:
            done = subprocess.run([os.path.join(self.bin, "psql"), "-XAtq", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres",
                                   "-d", database, "-c", sql], capture_output=True, text=True, timeout=seconds, cwd="/")
        except subprocess.TimeoutExpired:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    def sql(self, sql, database="postgres"):
        answer = self.try_sql(sql, database, PATIENCE)
        if answer is None:
            raise AssertionError("psql failed: " + sql)
        return answer

    def synchronous(self, names):
        """From now on commits wait for a standby of these names ('' for none)."""
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '%s'" % names)
        self.sql("SELECT pg_reload_conf()")

    def wait_for_standby(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.try_sql("SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')") == "t":
                return
            time.sleep(0.1)
        raise AssertionError("no synchronous standby:\n" + self.log())

    def promote(self):
        self.run("pg_ctl", "promote", "-D", self.data, "-w", "-t", "30")

    def processes(self):
        """The server's own and its children's numbers."""
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as file:
            return [self.process.pid] + [int(pid) for pid in file.read().split()]

    def send_signal(self, number):
        for pid in self.processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """kill -9, all of it."""
        self.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(PATIENCE)

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                self.stop(signal.SIGQUIT)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def conninfo(self, *others):
        servers = (self,) + others
        return "host=%s port=%s user=postgres dbname=postgres" % (
            ",".join("127.0.0.1" for _ in servers), ",".join(str(server.port) for server in servers))


class OtherVersion:
    """Says that it is PostgreSQL of this version, to whoever logs in, and nothing more: the connection ends."""

    def __init__(self, version):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while self.read_startup() in (80877103, 80877104):  # encryption is asked for
                    self.wfile.write(b"N")
                parameter = b"server_version\0" + version.encode() + b"\0"
                self.wfile.write(struct.pack("!cii", b"R", 8, 0) + struct.pack("!ci", b"S", 4 + len(parameter)) + parameter +
                                 struct.pack("!cic", b"Z", 5, b"I"))
                self.rfile.read(1)

            def read_startup(self):
                size, code = struct.unpack("!ii", self.rfile.read(8))
                self.rfile.read(size - 8)
                return code

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.tcp = Server(("127.0.0.1", 0), Handler)
        self.conninfo = "host=127.0.0.1 port=%d user=postgres dbname=postgres" % self.tcp.server_address[1]
        threading.Thread(target=self.tcp.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.tcp.shutdown()
        self.tcp.server_close()


def spool(pg, migrate=True, more=""):
    """The line of a configuration; `pg`: a server, or what says where it is."""
    conninfo = pg if isinstance(pg, str) else pg.conninfo()
    return 'spool = { directory = "spool", postgres = "%s", migrate = %s%s }\n' % (conninfo, str(migrate).lower(), more and ", " + more)


class Sender(threading.Thread):
    """Sends one message; what came of it stands in `answer`: 250, another code, or an exception's name."""

    def __init__(self, node, subject, text="x", recipients=("a@example.com",)):
        super().__init__(daemon=True)
        self.node, self.message, self.recipients = node, harness.mail(subject, text=text), list(recipients)
        self.answer = self.took = None
        self.start()

    def run(self):
        start = time.monotonic()
        try:
            with smtplib.SMTP("127.0.0.1", self.node.port, local_hostname="client.test", timeout=60) as client:
                client.sendmail("s@client.test", self.recipients, self.message)
            self.answer = 250
        except smtplib.SMTPResponseException as error:
            self.answer = error.smtp_code
        except smtplib.SMTPRecipientsRefused:
            self.answer = 450
        except OSError as error:
            self.answer = type(error).__name__
        self.took = time.monotonic() - start


class NodesTest(harness.TestCase):
    """Nodes on a server of the test's own."""

    def setUp(self):
        self.pg = Postgres()
        self.addCleanup(self.pg.close)

    def standby(self):
        """A synchronous one."""
        standby = Postgres(of=self.pg)
        self.addCleanup(standby.close)
        return standby

    def node(self, receiver, config='deliver = { schedule = { "200ms", "200ms" } }\n', conninfo=None, timeout="5s", **named):
        return self.server(self.to(receiver), config=spool(conninfo or self.pg, more='commit_timeout = "%s"' % timeout) + config, **named)

    def count(self, what="delivery"):
        return int(self.pg.sql("SELECT count(*) FROM " + what))

    def connections(self):
        return int(self.pg.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))

    def taken(self, node):
        sender = Sender(node, "again")
        sender.join(40)
        return sender.answer == 250


@unittest.skipUnless(binaries(), "no PostgreSQL 15 or later here")
class DatabaseCase(harness.TestCase):
    """One instance for the class, `pg`; a database of its own for each test."""

    @classmethod
    def setUpClass(cls):
        cls.pg = Postgres()

    @classmethod
    def tearDownClass(cls):
        cls.pg.close()

    def setUp(self):
        self.database = "t%d" % time.monotonic_ns()
        self.pg.sql("CREATE DATABASE " + self.database)
        self.conninfo = self.pg.conninfo().replace("dbname=postgres", "dbname=" + self.database)

    def sql(self, sql):
        return self.pg.sql(sql, self.database)

    def least_rights(self):
        """The conninfo of a role that has the rights which a node needs, and no others; the tables are there. And the GRANTs."""
        if self.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'mxhook'") == "0":
            self.sql("CREATE ROLE mxhook LOGIN")
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../server/install/postgres-roles.sql")) as file:
            script = file.read()
        self.sql(script)
        return self.conninfo.replace("user=postgres", "user=mxhook"), script
