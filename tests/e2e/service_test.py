"""As a service: inherited sockets, readiness, reload, watchdog, a restart under load, privileges.

The parent here does what systemd does: it holds the sockets, and listens on NOTIFY_SOCKET.
"""

import os
import pathlib
import pwd
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness

# Puts the sockets at descriptor 3 and up, and says so as sd_listen_fds(3) describes, to itself.
EXEC = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(fds), 200)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
os.execv(sys.argv[2], sys.argv[2:])
"""


def listening(host="127.0.0.1", port=0, backlog=4096):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((host, port))
    sock.listen(backlog)
    return sock


class Manager:
    """Starts mxhook as systemd would, and keeps what it is told."""

    def __init__(self, server, sockets=(), watchdog_ms=None):
        self.server, self.sockets, self.watchdog_ms = server, list(sockets), watchdog_ms
        self.messages = []
        self.path = os.path.join(server.folder, "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.path)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                text = self.notify.recv(4096).decode()
            except OSError:
                return
            self.messages.append(dict(line.split("=", 1) for line in text.splitlines() if line))

    def told(self, key, value=None):
        return [m for m in self.messages if key in m and value in (None, m[key])]

    def wait_told(self, key, value=None, count=1):
        harness.wait_until(lambda: len(self.told(key, value)) >= count, "%s=%s" % (key, value))

    def start(self, wait=True):
        environment = dict(os.environ, NOTIFY_SOCKET=self.path)
        fds = [sock.fileno() for sock in self.sockets]
        if self.watchdog_ms:
            environment["WATCHDOG_USEC"] = str(self.watchdog_ms * 1000)
        before = len(self.told("READY"))
        server = self.server
        server.log_start = (os.path.getsize(server.log_path)
                            if os.path.exists(server.log_path) else 0)
        with open(server.log_path, "a") as log:
            server.process = subprocess.Popen(
                [sys.executable, "-c", EXEC, ",".join(map(str, fds)), harness.MXHOOK, "run",
                 "--config", server.config], stderr=log, env=environment, pass_fds=fds)
        if wait:
            harness.wait_until(lambda: len(self.told("READY")) > before
                               or server.process.poll() is not None, "READY=1")
            if server.process.poll() is not None:
                raise AssertionError("not started:\n" + server.log())

    def close(self):
        self.notify.close()
        for sock in self.sockets:
            sock.close()


class TestCase(harness.TestCase):
    def manager(self, rules, config="", sockets=(), **named):
        addresses = ", ".join("'[%s]:%d'" % s.getsockname()[:2] if s.family == socket.AF_INET6
                              else "'%s:%d'" % s.getsockname() for s in sockets)
        if sockets:
            config = "listen = { %s }\n" % addresses + config
        server = self.server(rules, config, start=False)
        if sockets:
            server.port = sockets[0].getsockname()[1]
        manager = Manager(server, sockets, **named)
        self.addCleanup(manager.close)
        return manager


class Protocol(TestCase):
    def test_ready_reload_stop(self):
        sink = self.receiver()
        manager = self.manager(self.to(sink), "shutdown_timeout = '7s'", [listening()])
        manager.start()
        mx = manager.server
        mx.send(harness.mail())
        sink.wait_for(1)

        mx.process.send_signal(signal.SIGHUP)
        manager.wait_told("READY", "1", 2)
        kinds = [next(key for key in ("RELOADING", "READY") if key in m) for m in manager.messages]
        self.assertEqual(kinds, ["READY", "RELOADING", "READY"])
        self.assertLess(abs(int(manager.messages[1]["MONOTONIC_USEC"]) / 1e6 - time.monotonic()),
                        harness.PATIENCE)

        mx.write_rule("20-broken.lua", "return function(")
        mx.process.send_signal(signal.SIGHUP)
        manager.wait_told("READY", "1", 3)
        self.assertIn("failed", manager.messages[-1]["STATUS"])
        mx.send(harness.mail())  # by the old rules
        sink.wait_for(2)

        self.assertEqual(mx.stop(), 0)
        manager.wait_told("STOPPING", "1")
        self.assertEqual(manager.messages[-1]["EXTEND_TIMEOUT_USEC"], "17000000")

    def test_a_start_that_fails_is_never_ready(self):
        manager = self.manager({"10.lua": "return 5"}, sockets=[listening()])
        manager.start(wait=False)
        self.assertEqual(manager.server.process.wait(harness.PATIENCE), 1)
        self.assertEqual(manager.told("READY"), [])

    def test_the_watchdog_hears_of_the_loop_and_not_of_a_stopped_process(self):
        manager = self.manager({"10.lua": "return function(msg) end"}, sockets=[listening()],
                               watchdog_ms=200)
        manager.start()
        manager.wait_told("WATCHDOG", "1", 5)
        process = manager.server.process
        process.send_signal(signal.SIGSTOP)
        harness.wait_until(lambda: pathlib.Path("/proc/%d/stat" % process.pid).read_text()
                           .rsplit(")", 1)[1].split()[0] == "T", "the process to halt")
        time.sleep(0.1)  # what was sent before is read
        before = len(manager.told("WATCHDOG"))
        time.sleep(0.5)
        self.assertEqual(len(manager.told("WATCHDOG")), before)
        process.send_signal(signal.SIGCONT)
        manager.wait_told("WATCHDOG", "1", before + 1)

    def test_without_a_manager_nothing_is_asked(self):
        sink = self.receiver()
        mx = self.server(self.to(sink))
        mx.send(harness.mail())
        sink.wait_for(1)
        self.assertEqual(mx.logged("inherited"), [])


class Reload(TestCase):
    """The unit's ExecReload, with this server for /etc/mxhook and $MAINPID."""

    def reload(self, server):
        unit = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "server/install/mxhook.service.in")
        with open(unit) as file:
            commands = [line.split("=", 1)[1].split() for line in file if line.startswith("ExecReload=")]
        self.assertEqual(len(commands), 1)
        change = {"@CMAKE_INSTALL_FULL_BINDIR@/mxhook": harness.MXHOOK, "/etc/mxhook/mxhook.lua": server.config,
                  "$MAINPID": str(server.process.pid)}
        return subprocess.run([change.get(word, word) for word in commands[0]], capture_output=True, text=True, timeout=harness.PATIENCE)

    def test_what_fails_is_seen_by_whoever_reloads_and_in_the_metrics(self):
        server = self.server(self.to(self.receiver()), start=False)
        server.append('admin = { listen = { "unix:%s/admin.sock" } }\n' % server.folder)
        server.start()
        self.assertEqual(self.reload(server).returncode, 0)
        server.write_rule("20-bad.lua", "return {")
        result = self.reload(server)
        self.assertEqual(result.returncode, 1)
        self.assertIn("20-bad.lua:1", result.stderr)
        self.assertIn("reload       FAILED", server.command("status").stdout)
        os.remove(os.path.join(server.folder, "rules.d/20-bad.lua"))
        self.assertEqual(self.reload(server).returncode, 0)
        self.assertNotIn("FAILED", server.command("status").stdout)
        with open(server.config) as file:
            good = file.read()
        server.write("mxhook.lua", good + "domians = {}\n")
        count = len(server.logged("not-reloaded"))
        result = self.reload(server)
        self.assertEqual(result.returncode, 1)
        self.assertIn("domians", result.stderr)
        harness.wait_until(lambda: len(server.logged("not-reloaded")) > count, "the server to have tried too")
        server.write("mxhook.lua", good)
        self.assertIn("reload       FAILED", server.command("status").stdout)

    def test_without_an_admin_room_a_signal_is_sent(self):
        server = self.server(self.to(self.receiver()))
        result = self.reload(server)
        self.assertEqual(result.returncode, 0)
        self.assertIn("what came of it is in the log", result.stdout)
        server.wait_logged("reloaded")

    def test_one_that_does_not_answer_where_it_should_gets_a_signal(self):
        server = self.server(self.to(self.receiver()))  # as before an upgrade, when there was no admin.listen
        server.append('admin = { listen = { "unix:%s/admin.sock" } }\n' % server.folder)
        self.assertEqual(self.reload(server).returncode, 0)
        server.wait_logged("reloaded")

    def test_one_that_asks_who_it_is_gets_a_signal(self):
        with listening() as sock:
            address = "127.0.0.1:%d" % sock.getsockname()[1]
        server = self.server(self.to(self.receiver()), start=False)
        server.append('admin = { listen = { "%s" } }\n' % address)
        server.start()
        result = self.reload(server)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("what came of it is in the log", result.stdout)
        server.wait_logged("reloaded")
        self.assertEqual(server.command("reload").returncode, 1)


class Sockets(TestCase):
    RULES = {"10.lua": "return function(msg) end"}

    def refused(self, manager):
        manager.start(wait=False)
        self.assertEqual(manager.server.process.wait(harness.PATIENCE), 1)
        return manager.server.log()

    def test_several_by_address_in_any_order(self):
        first, second = listening(), listening("::1")
        manager = self.manager(self.RULES, sockets=[first, second])
        manager.sockets.reverse()
        manager.start()
        for host, sock in (("127.0.0.1", first), ("::1", second)):
            with smtplib.SMTP(host, sock.getsockname()[1], timeout=harness.PATIENCE) as client:
                self.assertEqual(client.noop()[0], 250)
        self.assertIn("sockets=2", manager.server.logged("inherited")[0])

    def test_what_is_not_inherited_is_bound(self):
        sock = listening()
        port = sock.getsockname()[1]
        manager = self.manager(self.RULES,
                               "listen = { '127.0.0.1:%d', '127.0.0.1:0' }" % port)
        manager.sockets = [sock]
        manager.start()
        ports = [int(line.rsplit(":", 1)[1]) for line in manager.server.logged("listening")]
        self.assertEqual(ports[0], port)
        for each in ports:
            with smtplib.SMTP("127.0.0.1", each, timeout=harness.PATIENCE) as client:
                self.assertEqual(client.noop()[0], 250)

    def test_one_that_listen_does_not_name_is_refused(self):
        sock = listening()
        manager = self.manager(self.RULES, "listen = { '127.0.0.1:0' }")
        manager.sockets = [sock]
        self.assertIn("127.0.0.1:%d: no such address in `listen`" % sock.getsockname()[1],
                      self.refused(manager))

    def test_one_for_both_families_is_refused(self):
        sock = socket.socket(socket.AF_INET6)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        sock.listen()
        manager = self.manager(self.RULES, sockets=[sock])
        self.assertIn("BindIPv6Only=ipv6-only", self.refused(manager))

    def test_one_that_is_no_tcp_socket_is_refused(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        manager = self.manager(self.RULES, sockets=[sock])
        self.assertIn("not a TCP socket", self.refused(manager))


class Client(threading.Thread):
    """Sends message after message, each on a connection of its own, until told to stop; what is deferred
    is sent again."""

    def __init__(self, name, port):
        super().__init__(daemon=True)
        self.prefix, self.port = name, port
        self.refused, self.put_off, self.broken, self.accepted = 0, 0, 0, []
        self.over = threading.Event()

    def run(self):
        count = 0
        while not self.over.is_set():
            count += 1
            message_id = "%s-%d@client.test" % (self.prefix, count)
            while not self.send(message_id):
                time.sleep(0.02)

    def send(self, message_id):
        """True: it was answered 250."""
        try:
            with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test",
                              timeout=harness.PATIENCE) as client:
                client.sendmail("a@client.test", ["hook@example.com"],
                                harness.mail(message_id=message_id))
                self.accepted.append(message_id)
                return True
        except ConnectionRefusedError:
            self.refused += 1
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused,
                smtplib.SMTPSenderRefused):
            self.put_off += 1
        except (smtplib.SMTPServerDisconnected, OSError):
            # The 250 to QUIT may be what is missing; the message was accepted before it then.
            if self.accepted and self.accepted[-1] == message_id:
                return True
            self.broken += 1
        return False


class Restart(TestCase):
    RESTARTS, CLIENTS = 5, 8

    def restart_under_load(self, stop):
        sink = self.receiver()
        sock = listening()
        manager = self.manager(self.to(sink), "log_level = 'warn'", [sock])
        manager.start()
        clients = [Client("c%d" % i, sock.getsockname()[1]) for i in range(self.CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(self.RESTARTS):
            reached = sum(len(c.accepted) for c in clients) + 50
            harness.wait_until(lambda: sum(len(c.accepted) for c in clients) >= reached, "load")
            stop(manager.server)
            manager.start()
        for client in clients:
            client.over.set()
        for client in clients:
            client.join(harness.PATIENCE)
        accepted = {message_id for c in clients for message_id in c.accepted}

        def arrived():
            return {post.json["message-id"] for post in list(sink.posts)}
        harness.wait_until(lambda: accepted <= arrived(), "every accepted message")
        lost = accepted - arrived()
        ids = [post.id for post in sink.posts]
        figures = {"restarts": self.RESTARTS, "accepted": len(accepted),
                   "refused": sum(c.refused for c in clients), "lost": len(lost),
                   "deferred (4xx)": sum(c.put_off for c in clients),
                   "broken off": sum(c.broken for c in clients),
                   "posted twice": len(ids) - len(set(ids))}
        print(figures, file=sys.stderr)
        self.assertEqual((figures["refused"], figures["lost"]), (0, 0))
        return figures

    def test_a_restart_under_load_refuses_nobody_and_loses_nothing(self):
        def stop(server):
            self.assertEqual(server.stop(), 0, server.log())
        figures = self.restart_under_load(stop)
        self.assertEqual(figures["posted twice"], 0)

    def test_so_does_a_crash(self):
        self.restart_under_load(lambda server: server.kill())

    def test_the_sockets_alone_make_clients_wait(self):
        sink = self.receiver()
        sock = listening()
        manager = self.manager(self.to(sink), sockets=[sock])
        early = Client("early", sock.getsockname()[1])
        early.start()  # nothing runs yet
        time.sleep(0.3)
        manager.start()
        harness.wait_until(lambda: early.accepted, "the early client")
        early.over.set()
        early.join(harness.PATIENCE)
        self.assertEqual((early.refused, early.broken), (0, 0))


NONE = "0" * 16


def capabilities(pid):
    """Of each thread: user, group, and the sets."""
    result = set()
    for thread in os.listdir("/proc/%d/task" % pid):
        fields = dict(line.split(":\t", 1) for line in
                      pathlib.Path("/proc/%d/task/%s/status" % (pid, thread)).read_text()
                      .splitlines())
        result.add((fields["Uid"], fields["Gid"], fields["CapPrm"], fields["CapEff"],
                    fields["CapAmb"], fields["NoNewPrivs"]))
    return result


class Privileges(TestCase):
    USER = "nobody"

    def world(self, folder):
        """What others than the owner may read, write or enter."""
        return [path for root, folders, files in os.walk(folder)
                for path in (os.path.join(root, name) for name in folders + files)
                if stat.S_IMODE(os.lstat(path).st_mode) & 0o077]

    def test_nothing_in_the_spool_is_for_others(self):
        def never(post):
            return 500
        sink = self.receiver(never)
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        mx = self.server(self.to(sink))
        mx.send(harness.mail(text="x" * 2000000))  # more than is kept in memory or in a row
        mx.send(harness.mail())
        spool = os.path.join(mx.folder, "spool")
        self.assertEqual(stat.S_IMODE(os.stat(spool).st_mode), 0o700)
        self.assertGreater(len(os.listdir(os.path.join(spool, "bodies"))), 0)
        self.assertEqual(self.world(spool), [])

    def on_low_port(self, rules, config=""):
        """A server, not started, on a port that only root may take, with a spool of USER's."""
        for port in range(1023, 600, -1):
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                    break
                except OSError:
                    continue
        mx = self.server(rules, config + "\nlisten = { '127.0.0.1:%d' }" % port, start=False)
        spool = os.path.join(mx.folder, "spool")
        os.chmod(mx.folder, 0o755)
        os.mkdir(spool, 0o700)
        os.chown(spool, self.entry.pw_uid, self.entry.pw_gid)
        return mx, port

    @property
    def entry(self):
        return pwd.getpwnam(self.USER)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_root_becomes_the_user_after_taking_a_low_port(self):
        sink = self.receiver()
        mx, port = self.on_low_port(self.to(sink), "user = '%s'" % self.USER)
        mx.start()
        self.assertEqual(mx.port, port)
        uid = "\t".join([str(self.entry.pw_uid)] * 4)
        gid = "\t".join([str(self.entry.pw_gid)] * 4)
        self.assertEqual(capabilities(mx.process.pid), {(uid, gid, NONE, NONE, NONE, "1")})
        mx.send(harness.mail())
        sink.wait_for(1)
        self.assertEqual(self.world(os.path.join(mx.folder, "spool")), [])
        mx.reload()  # it still may read what it needs
        self.assertTrue(mx.logged("reloaded"))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_the_capability_of_the_unit_is_given_up_too(self):
        mx, port = self.on_low_port({"10.lua": "return function(msg) end"})
        mx.log_start = 0
        with open(mx.log_path, "a") as log:
            mx.process = subprocess.Popen(
                ["setpriv", "--reuid", self.USER, "--regid", str(self.entry.pw_gid),
                 "--clear-groups", "--inh-caps", "-all,+net_bind_service", "--ambient-caps",
                 "-all,+net_bind_service", "--bounding-set", "-all,+net_bind_service",
                 harness.MXHOOK, "run", "--config", mx.config], stderr=log)
        mx.wait_logged("started")
        self.assertEqual({each[2:] for each in capabilities(mx.process.pid)},
                         {(NONE, NONE, NONE, "1")})
        with smtplib.SMTP("127.0.0.1", port, timeout=harness.PATIENCE) as client:
            self.assertEqual(client.noop()[0], 250)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_capability_that_cannot_be_given_up_ends_the_start(self):
        mx, _ = self.on_low_port({"10.lua": "return function(msg) end"})
        # By its descriptor: the user need not be able to reach the folder of the build (a home of mode 700, say).
        without_capset = ("import os, seccomp, sys; f = seccomp.SyscallFilter(seccomp.ALLOW); "
                          "f.add_rule(seccomp.ERRNO(1), 'capset'); f.load(); os.execve(int(sys.argv[1]), sys.argv[2:], os.environ)")
        binary = os.open(harness.MXHOOK, os.O_RDONLY)
        self.addCleanup(os.close, binary)
        done = subprocess.run(
            ["setpriv", "--reuid", self.USER, "--regid", str(self.entry.pw_gid), "--clear-groups", "--inh-caps",
             "-all,+net_bind_service", "--ambient-caps", "-all,+net_bind_service", "--no-new-privs", sys.executable, "-c",
             without_capset, str(binary), "mxhook", "run", "--config", mx.config], capture_output=True, text=True,
            pass_fds=(binary,), timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot give up capabilities", done.stderr)

    def test_a_kernel_without_ipv6(self):
        """The defaults name [::] too: it is left out, but nothing else is."""
        without = ("import errno, os, seccomp, socket, sys; f = seccomp.SyscallFilter(seccomp.ALLOW); "
                   "f.add_rule(seccomp.ERRNO(errno.EAFNOSUPPORT), 'socket', seccomp.Arg(0, seccomp.EQ, socket.AF_INET6)); "
                   "f.load(); os.execv(sys.argv[1], sys.argv[1:])")
        rules = {"10.lua": "return function(msg) end"}
        for listen, admin, refused in (('"127.0.0.1:0", "[::]:0"', '"127.0.0.1:0", "[::]:0"', None),
                                       ('"[::]:0"', '"127.0.0.1:0"', "cannot listen: this machine has no IPv6"),
                                       ('"127.0.0.1:0", "[::1]:0"', '"127.0.0.1:0"', "cannot listen on [::1]:0: Address family not")):
            with self.subTest(listen=listen):
                mx = self.server(rules, "listen = { %s } admin = { listen = { %s }, tokens = { t = { role = 'view', token = '%s' } } }"
                                 % (listen, admin, "t" * 16), start=False)
                command = [sys.executable, "-c", without, harness.MXHOOK, "run", "--config", mx.config]
                if refused:
                    done = subprocess.run(command, capture_output=True, text=True, timeout=harness.PATIENCE)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(refused, done.stderr)
                    continue
                mx.log_start = 0
                with open(mx.log_path, "w") as log:
                    mx.process = subprocess.Popen(command, stderr=log)
                mx.wait_logged("started")
                self.assertEqual(len(mx.logged("address-left-out")), 2)
                self.assertEqual((len(mx.logged("listening")), len(mx.logged("admin-listening"))), (1, 1))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_root_without_a_user_is_warned(self):
        mx = self.server({"10.lua": "return function(msg) end"})
        self.assertIn("running as root", mx.logged("privileges")[0])

    def test_a_user_that_is_not_there_is_an_error(self):
        mx = self.server({"10.lua": "return function(msg) end"}, "user = 'no-such-user'",
                         start=False)
        result = subprocess.run([harness.MXHOOK, "run", "--config", mx.config],
                                capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no-such-user: no such user", result.stderr)


if __name__ == "__main__":
    unittest.main()
