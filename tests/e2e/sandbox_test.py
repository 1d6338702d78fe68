"""Under the system call filters of its systemd unit, enforced as systemd would (see sandbox.py): whatever mxhook
does must be let through, and what it never needs must not."""

import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import unittest

import harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../auth"))

import nameservers  # noqa: E402

HERE = pathlib.Path(__file__).parent
UNIT = HERE / "../../server/install/mxhook.service.in"
# LeakSanitizer traces, which is not let through.
LAUNCHER = ["env", "ASAN_OPTIONS=detect_leaks=0", sys.executable, str(HERE / "sandbox.py"), str(UNIT)]

RULES = """local store = require "mxhook.store"
return {
  route.cel { when = "subject.matches('^never')", to = "https://never.example/" },
  route.regex { subject = "/never$/", to = "https://never.example/" },
  function(msg)
    msg.headers["X-Count"] = tostring(store.add("count", 1))
    local hash = 0
    for i = 1, 20000 do hash = (hash * 31 + i) %% 65521 end -- hot enough to be compiled, where that is on
    return "%s/"
  end }
"""

# Each must fail: with EPERM or, for the last, EAFNOSUPPORT.
FORBIDDEN = """
import ctypes, errno, mmap, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
for expected, attempt in (
        (errno.EPERM, lambda: os.chown("/", 0, 0)),
        (errno.EPERM, lambda: os.setuid(0)),
        (errno.EPERM, lambda: call("setns", 0, 0)),
        (errno.EPERM, lambda: call("unshare", 0x00020000)),
        (errno.EPERM, lambda: call("mount", 0, 0, 0, 0, 0)),
        (errno.EPERM, lambda: call("ptrace", 0, 0, 0, 0)),
        (errno.EPERM, lambda: call("personality", 8)),
        (errno.EPERM, lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
        (errno.EPERM, lambda: os.chmod("/proc/self/fd", 0o4755)),
        (errno.EPERM, lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
        (errno.EAFNOSUPPORT, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
        (errno.EAFNOSUPPORT, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))):
    try:
        attempt()
    except OSError as error:
        assert error.errno == expected, error
    else:
        raise AssertionError(attempt)
assert "CapEff:\\t0000000000000000" in open("/proc/self/status").read()
print("all refused")
"""


class Sandbox(harness.TestCase):
    def test_the_filters_are_in_force(self):
        done = subprocess.run(LAUNCHER + [sys.executable, "-c", FORBIDDEN], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout, "all refused\n", done.stderr)

    def test_the_score_of_the_unit(self):
        """systemd's own: 0 is the safest, 10 the least; 1.1 now."""
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder, "mxhook.service")
            unit.write_text(UNIT.read_text().replace("@CMAKE_INSTALL_FULL_BINDIR@", "/usr/bin"))
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=11", "--no-pager",
                                   str(unit)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def server_with_everything(self, sink):
        nsd = nameservers.Nsd({"client.test": [("@", nameservers.txt("v=spf1 ip4:127.0.0.1 -all"))]})
        self.addCleanup(nsd.close)
        server = self.server({"10.lua": RULES % sink.url}, start=False, launcher=LAUNCHER, config="""
            listen = { { address = "127.0.0.1:0", tls = "starttls", auth = "offered" } }
            tls = { certificates = { { certificate = "mx.pem", key = "mx.key" } } }
            smtp = { users = { printer = "$6$salt$%s" } }
            dns = { resolvers = { "127.0.0.1:%d" } } auth = { timeout = "20s" }
            """ % (self.hash(), nsd.port))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", server.folder + "/mx.key", "-out", server.folder + "/mx.pem", "-days", "2",
                        "-subj", "/CN=mx.test", "-addext", "subjectAltName=DNS:mx.test"], check=True,
                       capture_output=True)
        server.start()
        return server

    def hash(self):
        made = subprocess.run(["openssl", "passwd", "-6", "-salt", "salt", "secret"], check=True, capture_output=True,
                              text=True).stdout
        return made.strip().rsplit("$", 1)[1]

    def test_mail_over_tls_reload_deliver_stop(self):
        sink = self.receiver()
        mx = self.server_with_everything(sink)
        context = ssl.create_default_context(cafile=mx.folder + "/mx.pem")
        context.check_hostname = False  # it is connected to by address
        with mx.smtp() as client:
            client.starttls(context=context)
            client.ehlo()
            client.login("printer", "secret")
            large = harness.mail() + b"All work and no play.\r\n" * 60000  # a file, as in the spool
            for text in (harness.mail(), large):
                client.sendmail("ann@client.test", ["hook@example.com"], text)
            posts = sink.wait_for(2)
            self.assertIn("spf=pass", posts[0].json["headers"]["Authentication-Results"][0])
            mx.write_rule("20.lua", "return function(msg) end")
            mx.reload()
            client.sendmail("ann@client.test", ["hook@example.com"], harness.mail())
            self.assertEqual(sink.wait_for(3)[2].json["headers"]["X-Count"], "3")
        self.assertTrue(mx.logged("reloaded"), mx.log())
        for command in (["queue", "list"], ["check"]):
            done = subprocess.run(LAUNCHER + [harness.MXHOOK] + command + ["--config", mx.config], capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(mx.stop(), 0, mx.log())
        self.assertNotIn("not permitted", mx.log())
        mx.start()  # what it left behind is read again
        self.assertEqual(mx.stop(), 0, mx.log())


if __name__ == "__main__":
    unittest.main()
