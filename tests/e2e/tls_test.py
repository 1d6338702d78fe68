"""TLS: STARTTLS and from the first byte, several certificates, reload, resumption, and what must not work."""

import os
import re
import smtplib
import socket
import ssl
import subprocess
import tempfile
import unittest

import harness
from harness import PATIENCE, mail

RULES = {"all.lua": """return function(msg)
    msg.headers["X-Tls"] = tostring(msg.envelope.tls)
    return "%s"
end"""}


class Certificates:
    """Made once for all tests, in a folder: NAME.pem and NAME.key for each name."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mxhook-tls-")

    def make(self, file, names, days=30, subject=None, key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
        path = os.path.join(self.folder, file)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-subj", "/CN=" + (subject or names[0]), "-days", str(days),
             "-addext", "subjectAltName=" + ",".join("DNS:" + name for name in names),
             "-keyout", path + ".key", "-out", path + ".pem"],
            check=True, capture_output=True)
        return path

    def entry(self, file):
        path = os.path.join(self.folder, file)
        return '{ certificate = "%s.pem", key = "%s.key" }' % (path, path)


certificates = Certificates()


def setUpModule():
    certificates.make("mx", ["mx.test"])
    certificates.make("other", ["other.test", "*.wild.test"])


def context(*files):
    made = ssl.create_default_context()
    for file in files or ("mx", "other"):
        made.load_verify_locations(os.path.join(certificates.folder, file + ".pem"))
    return made


def config(tls="starttls", files=("mx", "other"), more=""):
    return 'listen = { { address = "127.0.0.1:0", tls = "%s" } }\ntls = { certificates = { %s } }\n%s' % (
        tls, ", ".join(certificates.entry(file) for file in files), more)


def s_client(port, *arguments, say=b"QUIT\n"):
    mode = ["-starttls", "smtp"]
    return subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, *mode, "-crlf", "-quiet",
                           *arguments], input=say, capture_output=True, timeout=PATIENCE)


class Tls(harness.TestCase):
    def start(self, **named):
        receiver = self.receiver()
        rules = {"all.lua": RULES["all.lua"] % receiver.url}
        return receiver, self.server(rules, config(**named))

    def name_in_certificate(self, port, name):
        """Of the certificate that a client gets who asks for this name."""
        unchecked = ssl._create_unverified_context()
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
            self.assertTrue(plain.recv(1000).startswith(b"220 "))
            plain.sendall(b"EHLO client.test\r\n")
            while not re.search(rb"^250 ", plain.recv(1000), re.M):
                pass
            plain.sendall(b"STARTTLS\r\n")
            self.assertTrue(plain.recv(1000).startswith(b"220 "))
            with unchecked.wrap_socket(plain, server_hostname=name) as secure:
                der = secure.getpeercert(binary_form=True)
        text = subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-subject"], input=der,
                              capture_output=True, check=True).stdout.decode()
        return re.split("CN ?= ?", text.strip())[-1]  # from OpenSSL 3.2 on without blanks

    def test_starttls_of_smtplib(self):
        receiver, mx = self.start()
        with smtplib.SMTP("127.0.0.1", mx.port, "client.test", timeout=PATIENCE) as client:
            client._host = "mx.test"  # the name to verify
            client.ehlo()
            self.assertTrue(client.has_extn("starttls"))
            client.starttls(context=context())
            client.ehlo()
            self.assertFalse(client.has_extn("starttls"))
            self.assertEqual(client.docmd("STARTTLS")[0], 503)
            client.sendmail("a@client.test", ["hook@example.com"], mail())
        post = receiver.wait_for(1)[0]
        self.assertEqual(post.json["headers"]["X-Tls"], "true")
        with mx.smtp() as client:
            client.sendmail("a@client.test", ["hook@example.com"], mail(message_id="two@client.test"))
        self.assertEqual(receiver.wait_for(2)[1].json["headers"]["X-Tls"], "false")

    def test_starttls_forgets(self):
        """The greeting from before the handshake does not count."""
        _, mx = self.start()
        with smtplib.SMTP("127.0.0.1", mx.port, "client.test", timeout=PATIENCE) as client:
            client._host = "mx.test"
            client.starttls(context=context())
            self.assertEqual(client.docmd("MAIL FROM:<a@client.test>")[0], 503)

    def test_large_message(self):
        receiver, mx = self.start(tls="implicit")
        text = "".join("line %d\r\n" % i for i in range(300000))
        with smtplib.SMTP_SSL("127.0.0.1", mx.port, "client.test", timeout=PATIENCE,
                              context=ssl._create_unverified_context()) as client:
            client.sendmail("a@client.test", ["hook@example.com"], mail(text=text))
        posted = receiver.wait_for(1)[0].json
        self.assertEqual(posted["text"], text.replace("\r\n", "\n") + "\n")
        self.assertEqual(posted["headers"]["X-Tls"], "true")

    def test_swaks(self):
        for mode, option in (("starttls", "-tls"), ("implicit", "-tlsc")):
            receiver, mx = self.start(tls=mode)
            ran = subprocess.run(["swaks", "--server", "127.0.0.1:%d" % mx.port, option, "--from",
                                  "a@client.test", "--to", "hook@example.com"],
                                 capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            self.assertEqual(receiver.wait_for(1)[0].json["headers"]["X-Tls"], "true")

    def test_curl(self):
        receiver, mx = self.start(tls="required")
        ran = subprocess.run(["curl", "-sS", "-k", "--ssl-reqd", "smtp://127.0.0.1:%d" % mx.port,
                              "--mail-from", "a@client.test", "--mail-rcpt", "hook@example.com",
                              "-T", "-"], input=mail(), capture_output=True, timeout=PATIENCE)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(receiver.wait_for(1)[0].json["headers"]["X-Tls"], "true")

    def test_required(self):
        _, mx = self.start(tls="required")
        with mx.smtp() as client:
            client.ehlo()
            self.assertTrue(client.has_extn("starttls"))
            for command in ("MAIL FROM:<a@client.test>", "RCPT TO:<b@example.com>", "DATA", "VRFY x"):
                code, text = client.docmd(command)
                self.assertEqual((code, text.split()[0]), (530, b"5.7.0"), command)
            for command in ("NOOP", "RSET", "EHLO client.test"):
                self.assertEqual(client.docmd(command)[0], 250, command)
            client._host = "mx.test"
            client.starttls(context=context())
            client.ehlo()
            self.assertEqual(client.docmd("MAIL FROM:<a@client.test>")[0], 250)

    def test_rsa_and_ecdsa(self):
        """Of one name: each client gets the certificate that it can use, whether it names the server or not."""
        certificates.make("rsa", ["mx.test"], key=("rsa:2048",))
        certificates.make("other-rsa", ["other.test"], key=("rsa:2048",))
        _, mx = self.start(files=("mx", "rsa", "other", "other-rsa"))
        for version in ("-tls1_2", "-tls1_3"):
            for name in ("mx.test", "other.test", None):
                named = ["-servername", name] if name else ["-noservername"]
                for signature, key in (("rsa_pss_rsae_sha256", "RSA"), ("ecdsa_secp256r1_sha256", "ECDSA")):
                    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % mx.port, "-starttls", "smtp",
                                           version, "-sigalgs", signature, *named], input=b"QUIT\n",
                                          capture_output=True, timeout=PATIENCE)
                    with self.subTest(version=version, name=name, key=key):
                        self.assertRegex(done.stdout, b"Peer signature type: (RSA|rsa|ECDSA|ecdsa)", done.stderr[-300:])
                        self.assertIn(key.lower(), re.search(rb"Peer signature type: (\S+)", done.stdout)[1].decode().lower())
                        self.assertRegex(done.stdout, b"CN ?= ?" + (name or "mx.test").encode())

    def test_dhe(self):
        certificates.make("rsa", ["mx.test"], key=("rsa:2048",))
        _, mx = self.start(files=("rsa",))
        done = s_client(mx.port, "-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384")
        self.assertEqual(done.returncode, 0, done.stderr[-500:])
        self.assertRegex(mx.log(), "cipher=DHE-RSA-AES256-GCM-SHA384")

    def test_old_versions_on_a_listener_of_their_own(self):
        listen = ('listen = { "127.0.0.1:0", { address = "127.0.0.1:0", tls = "starttls", min_version = "1.0" } }\n'
                  'tls = { certificates = { %s } }' % certificates.entry("mx"))
        receiver = self.receiver()
        mx = self.server({"all.lua": RULES["all.lua"] % receiver.url}, listen)
        new, old = (int(port) for port in re.findall(r" listening .*?address=\S*?:(\d+)", mx.log()))
        weak = ("-cipher", "DEFAULT:@SECLEVEL=0")
        for port, version, works in ((new, "-tls1", False), (new, "-tls1_1", False), (new, "-tls1_2", True),
                                     (old, "-tls1", True), (old, "-tls1_1", True), (old, "-tls1_2", True),
                                     (old, "-tls1_3", True)):
            done = s_client(port, version, *weak)
            with self.subTest(port=port, version=version):
                self.assertEqual(done.returncode == 0, works, done.stderr[-500:])

    def test_min_version(self):
        _, mx = self.start(more="tls.min_version = '1.3'")
        self.assertNotEqual(s_client(mx.port, "-tls1_2").returncode, 0)
        self.assertEqual(s_client(mx.port, "-tls1_3").returncode, 0)

    def test_off(self):
        _, mx = self.start(tls="off")
        with mx.smtp() as client:
            client.ehlo()
            self.assertFalse(client.has_extn("starttls"))
            self.assertEqual(client.docmd("STARTTLS"), (502, b"5.5.1 STARTTLS is not offered here"))

    def test_names(self):
        _, mx = self.start()
        for name, expected in (("mx.test", "mx.test"), ("other.test", "other.test"),
                               ("a.wild.test", "other.test"), ("unknown.test", "mx.test"), (None, "mx.test")):
            self.assertEqual(self.name_in_certificate(mx.port, name), expected, name)

    def test_injection_before_the_handshake(self):
        """What is sent in the clear with STARTTLS is not obeyed inside TLS (CVE-2011-0411)."""
        receiver, mx = self.start()
        with socket.create_connection(("127.0.0.1", mx.port), timeout=PATIENCE) as plain:
            plain.recv(1000)
            plain.sendall(b"EHLO client.test\r\nSTARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil@client.test>\r\n"
                          b"RCPT TO:<hook@example.com>\r\n")
            replies = b""
            while b"220 2.0.0" not in replies:
                replies += plain.recv(1000)
            self.assertTrue(replies.endswith(b"220 2.0.0 Ready to start TLS\r\n"), replies)
            mx.wait_logged("starttls-injection")
            with ssl._create_unverified_context().wrap_socket(plain, server_hostname="mx.test") as secure:
                secure.sendall(b"DATA\r\n")
                self.assertTrue(secure.recv(1000).startswith(b"503 "))
                secure.sendall(b"QUIT\r\n")
                self.assertTrue(secure.recv(1000).startswith(b"221 "))
                self.assertEqual(secure.recv(1000), b"")  # close_notify, not a cut
        self.assertEqual(receiver.posts, [])

    def test_clear_text_instead_of_a_handshake(self):
        for mode in ("starttls", "implicit"):
            _, mx = self.start(tls=mode)
            with socket.create_connection(("127.0.0.1", mx.port), timeout=PATIENCE) as plain:
                if mode == "starttls":
                    plain.recv(1000)
                    plain.sendall(b"EHLO client.test\r\nSTARTTLS\r\n")
                    while b"220 2.0.0" not in plain.recv(1000):
                        pass
                plain.sendall(b"MAIL FROM:<evil@client.test>\r\n" * 20)
                rest = b""
                try:
                    while piece := plain.recv(1000):
                        rest += piece
                except ConnectionResetError:
                    pass
                self.assertNotIn(b"250", rest)
            mx.wait_logged("tls-failed")

    def test_vanishing_clients(self):
        """At each byte of a handshake; the server goes on, and leaks nothing (under sanitizers)."""
        _, mx = self.start(tls="implicit")
        hello = ssl.MemoryBIO()
        client = ssl._create_unverified_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="mx.test")
        with self.assertRaises(ssl.SSLWantReadError):
            client.do_handshake()
        first = hello.read()
        for size in range(0, len(first), 7):
            with socket.create_connection(("127.0.0.1", mx.port), timeout=PATIENCE) as plain:
                plain.sendall(first[:size])
        with smtplib.SMTP_SSL("127.0.0.1", mx.port, "client.test", timeout=PATIENCE,
                              context=ssl._create_unverified_context()) as whole:
            self.assertEqual(whole.noop()[0], 250)

    def test_versions(self):
        _, mx = self.start()
        for option, works in (("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False), ("-tls1", False)):
            ran = s_client(mx.port, option, "-cipher", "ALL:@SECLEVEL=0")
            self.assertEqual(b"221 2.0.0" in ran.stdout, works, (option, ran.stdout, ran.stderr))
        weak = s_client(mx.port, "-tls1_2", "-cipher", "aNULL:eNULL:3DES:RC4:EXP:@SECLEVEL=0")
        self.assertNotIn(b"221 2.0.0", weak.stdout)

    def test_no_renegotiation(self):
        _, mx = self.start(tls="implicit")
        client = subprocess.Popen(["openssl", "s_client", "-connect", "127.0.0.1:%d" % mx.port, "-tls1_2"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = b""
        while b"220 mx.test" not in said:
            said += os.read(client.stdout.fileno(), 65536)
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said = client.stdout.read()  # to its end, while its input stays open
        client.stdin.close()
        client.stdout.close()
        client.wait(PATIENCE)
        self.assertIn(b"RENEGOTIATING", said)
        self.assertIn(b"no renegotiation", said)

    def test_resumption(self):
        _, mx = self.start(tls="implicit")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            made = context()
            made.minimum_version = made.maximum_version = version
            session, resumed = None, []
            for _ in range(3):
                with socket.create_connection(("127.0.0.1", mx.port), timeout=PATIENCE) as plain:
                    with made.wrap_socket(plain, server_hostname="other.test", session=session) as secure:
                        self.assertTrue(secure.recv(1000).startswith(b"220 "))
                        secure.sendall(b"NOOP\r\n")
                        secure.recv(1000)
                        resumed.append(secure.session_reused)
                        session = secure.session
            self.assertEqual(resumed, [False, True, True], version)
        self.assertEqual(len(mx.logged("tls", "resumed=yes")), 4)

    def test_reload(self):
        """New certificates for new connections; the old ones go on. All or nothing."""
        certificates.make("swap", ["first.test"])
        _, mx = self.start(files=("swap",))
        with smtplib.SMTP("127.0.0.1", mx.port, "client.test", timeout=PATIENCE) as old:
            old._host = "first.test"
            old.starttls(context=context("swap"))
            self.assertEqual(self.name_in_certificate(mx.port, None), "first.test")
            certificates.make("swap", ["second.test"])
            mx.reload()
            self.assertEqual(self.name_in_certificate(mx.port, None), "second.test")
            self.assertEqual(old.noop()[0], 250)
            with open(os.path.join(certificates.folder, "swap.pem"), "w") as file:
                file.write("nonsense")
            mx.reload()
            mx.wait_logged("not-reloaded", "swap.pem")
            self.assertEqual(self.name_in_certificate(mx.port, None), "second.test")
            certificates.make("swap", ["third.test"])
            os.replace(os.path.join(certificates.folder, "mx.key"), os.path.join(certificates.folder, "mx2.key"))
            try:
                os.link(os.path.join(certificates.folder, "mx2.key"), os.path.join(certificates.folder, "mx.key"))
                third = os.path.join(certificates.folder, "swap.key")
                os.remove(third)
                os.link(os.path.join(certificates.folder, "mx2.key"), third)
                mx.reload()  # the key of another certificate
                self.assertEqual(len(mx.logged("not-reloaded", "swap.key")), 1)
            finally:
                os.remove(os.path.join(certificates.folder, "mx2.key"))
            self.assertEqual(old.noop()[0], 250)


class Check(harness.TestCase):
    def check(self, files, more=""):
        mx = self.server({"all.lua": "return function() return 'null' end"}, config(files=files, more=more),
                         start=False)
        return mx.command("check")

    def test_good(self):
        ran = self.check(("mx", "other"))
        warnings = [line for line in ran.stderr.splitlines() if "placeholder" not in line]
        self.assertEqual((ran.returncode, warnings), (0, []))

    def test_mismatched(self):
        ran = self.check(("other",))
        self.assertEqual(ran.returncode, 0)
        self.assertIn("none is for the hostname mx.test", ran.stderr)

    def test_expiring(self):
        certificates.make("soon", ["mx.test"], days=3)
        ran = self.check(("soon",))
        self.assertEqual(ran.returncode, 0)
        self.assertRegex(ran.stderr, r"warning: .*soon\.pem expires in [23] days")
        self.make_expired("past")
        ran = self.check(("past",))
        self.assertEqual(ran.returncode, 0)
        self.assertIn("past.pem has expired", ran.stderr)

    def make_expired(self, file):
        path = certificates.make(file, ["mx.test"])
        request = subprocess.run(["openssl", "x509", "-x509toreq", "-in", path + ".pem", "-signkey", path + ".key"],
                                 check=True, capture_output=True).stdout
        with open(path + ".cnf", "w") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s.db\nserial=%s.serial\nnew_certs_dir=%s\n"
                       "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
                       "[e]\nsubjectAltName=DNS:mx.test\n" % (path, path, certificates.folder))
        open(path + ".db", "w").close()
        with open(path + ".serial", "w") as file:
            file.write("01\n")
        subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-config", path + ".cnf", "-extensions", "e",
                        "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-keyfile", path + ".key",
                        "-in", "/dev/stdin", "-out", path + ".pem", "-notext"],
                       input=request, check=True, capture_output=True)

    def test_errors(self):
        ran = self.check(("missing",))
        self.assertEqual(ran.returncode, 1)
        self.assertRegex(ran.stderr, r"missing\.pem: No such file")
        mx = self.server({}, "listen = {\n  { adress = '127.0.0.1:0' } }", start=False)
        self.assertRegex(mx.command("check").stderr, r"mxhook\.lua:\d+: listen: a listener has no adress; did you mean address\?")
        mx = self.server({}, "listen = { { address = '127.0.0.1:0', tls = 'starttsl' } }", start=False)
        self.assertIn('expected tls = "off", "starttls"', mx.command("check").stderr)
        mx = self.server({}, "listen = { { address = '127.0.0.1:0', tls = 'implicit' } }", start=False)
        self.assertRegex(mx.command("check").stderr, r'mxhook\.lua:\d+: listen: tls = "implicit" needs tls.certificates')
        mx = self.server({}, "tls = { certificates = { { certificate = 'a.pem', kee = 'b' } } }", start=False)
        self.assertIn("a certificate has no kee; did you mean key?", mx.command("check").stderr)


if __name__ == "__main__":
    unittest.main()
