"""mxhook send and mxhook sink; signatures as the official package for Node sees them; TLS."""

import os
import re
import shutil
import ssl
import subprocess
import tempfile
import unittest

import harness

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

VERIFIER = """
const { Webhook } = require("standardwebhooks");
const server = require("http").createServer((request, response) => {
  const parts = [];
  request.on("data", part => parts.push(part));
  request.on("end", () => {
    try {
      const json = new Webhook(process.argv[2]).verify(Buffer.concat(parts), request.headers);
      console.log("verified " + json.subject);
      response.writeHead(200).end();
    } catch (error) {
      console.log("refused " + error.message);
      response.writeHead(401).end();
    }
  });
}).listen(0, "127.0.0.1", () => console.log("port " + server.address().port));
"""


class Process:
    """A program that prints lines; read() gives the next one that holds a text."""

    def __init__(self, *command, cwd=None):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd)

    def read(self, part):
        for line in self.process.stdout:
            if part in line:
                return line.rstrip("\n")
        raise AssertionError("it ended without a line with " + part)

    def close(self):
        self.process.terminate()
        status = self.process.wait(harness.PATIENCE)
        self.process.stdout.close()
        return status


class Sink(harness.TestCase):
    def sink(self, *options):
        sink = Process(harness.MXHOOK, "sink", "--port", "0", *options)
        self.addCleanup(lambda: self.assertEqual(sink.close(), 0))
        sink.port = int(re.search(r"port (\d+)$", sink.read("listening")).group(1))
        return sink

    def rules(self, sink, secret=SECRET):
        return {"10.lua": "return alias { ['sales@example.com'] = { url = 'http://127.0.0.1:%d/',"
                          " secret = '%s', attempts = 1 } }" % (sink.port, secret)}

    def test_a_sample_goes_through_the_rules_and_is_verified(self):
        sink = self.sink("--verify", SECRET)
        mx = self.server(self.rules(sink), start=False)
        sent = mx.command("send", "sales@example.com")
        self.assertEqual(sent.returncode, 0, sent.stdout + sent.stderr)
        self.assertIn("=> 200 in", sent.stdout)
        self.assertIn('"Delivered-To": "sales@example.com"', sent.stdout)
        self.assertIn("signature ok, answered 200", sink.read("#1"))
        self.assertIn("POST / HTTP/1.1", sink.read("POST"))

    def test_it_works_beside_a_running_server(self):
        sink = self.sink("--verify", SECRET)
        mx = self.server(self.rules(sink))
        self.assertEqual(mx.command("send", "sales@example.com").returncode, 0)
        mx.send(harness.mail(), ["sales@example.com"])
        sink.read("#2")

    def test_a_wrong_secret_is_refused(self):
        sink = self.sink("--verify", SECRET)
        mx = self.server(self.rules(sink, "another"), start=False)
        sent = mx.command("send", "sales@example.com")
        self.assertEqual(sent.returncode, 1)
        self.assertIn("=> 401 in", sent.stdout)
        self.assertIn("signature wrong signature, answered 401", sink.read("#1"))

    def test_the_sink_answers_as_it_is_told(self):
        sink = self.sink("--status", "503", "--quiet")
        mx = self.server(self.rules(sink))
        self.assertIn("=> 503 in", mx.command("send", "sales@example.com").stdout)
        mx.send(harness.mail(), ["sales@example.com"])
        mx.wait_logged("undelivered", "status=503")

    def test_a_file_is_sent_and_long_strings_are_cut(self):
        sink = self.sink()
        mx = self.server(self.rules(sink), start=False)
        mx.write("a.eml", harness.mail(subject="From a file", text="x" * 100000).decode())
        sent = mx.command("send", "sales@example.com", "--eml", os.path.join(mx.folder, "a.eml"))
        self.assertIn('"subject": "From a file"', sent.stdout)
        self.assertRegex(sent.stdout, r'xxx\.\.\." \(10000\d bytes\)')
        sink.read('"subject": "From a file"')

    def test_what_has_no_destination_fails(self):
        sink = self.sink()
        mx = self.server(self.rules(sink), start=False)
        sent = mx.command("send", "nobody@example.com")
        self.assertEqual(sent.returncode, 1)
        self.assertIn("no destination: 550", sent.stdout)

    def test_a_port_that_is_taken_is_named(self):
        sink = self.sink()
        second = subprocess.run([harness.MXHOOK, "sink", "--port", str(sink.port)],
                                capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(second.returncode, 1)
        self.assertIn("127.0.0.1 port %d: address already in use" % sink.port, second.stderr)


class StandardWebhooks(harness.TestCase):
    """The official package `standardwebhooks`, from npm's registry; skipped, and said so, where there is no npm or no registry."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mxhook-npm-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        if not shutil.which("npm") or not shutil.which("node"):
            raise unittest.SkipTest("no npm")
        install = subprocess.run(["npm", "install", "--silent", "standardwebhooks@1"],
                                 cwd=cls.folder, capture_output=True)
        if install.returncode != 0:
            raise unittest.SkipTest("npm cannot install standardwebhooks")
        with open(os.path.join(cls.folder, "verify.js"), "w") as file:
            file.write(VERIFIER)

    def test_it_verifies_what_is_sent(self):
        node = Process("node", "verify.js", SECRET, cwd=self.folder)
        self.addCleanup(node.close)
        port = int(node.read("port ").split()[1])
        for name, secret, outcome in (("right", SECRET, "verified"),
                                      ("rotated", "whsec_b3RoZXI= " + SECRET, "verified"),
                                      ("wrong", "whsec_b3RoZXI=", "refused")):
            mx = self.server({"10.lua": "return function(msg) return { url = "
                              "'http://127.0.0.1:%d/', secret = '%s', attempts = 1 } end"
                              % (port, secret)})
            mx.send(harness.mail(subject="A " + name + " secret"))
            line = node.read(" ")
            self.assertTrue(line.startswith(outcome), line)
            mx.wait_logged("delivered" if outcome == "verified" else "undelivered")
            self.assertEqual(mx.stop(), 0)
            self.assertNotIn(secret, mx.log())


class Tls(harness.TestCase):
    """A receiver with a certificate of its own authority, and one that asks for a client's."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mxhook-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        for name, subject in (("server", "/CN=127.0.0.1"), ("client", "/CN=mxhook")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                            "-subj", subject, "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", cls.path(name + ".key"), "-out", cls.path(name + ".pem")],
                           check=True, capture_output=True)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    def tls_receiver(self, ask_for_client=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        if ask_for_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path("client.pem"))
        return self.receiver(ssl_context=context)

    def destination(self, receiver, **fields):
        text = ", ".join("%s = '%s'" % field for field in fields.items())
        return {"10.lua": "return function(msg) return { url = '%s/', attempts = 1, %s } end"
                          % (receiver.url, text)}

    def confine(self):
        """Rules name files that the configuration does not."""
        return "confine = { read = { '%s' } }\n" % self.folder

    def test_an_unknown_authority_is_refused(self):
        receiver = self.tls_receiver()
        mx = self.server(self.destination(receiver))
        mx.send(harness.mail())
        mx.wait_logged("undelivered", "self-signed certificate")
        self.assertEqual(receiver.posts, [])

    def test_a_destination_has_its_own_authority(self):
        receiver = self.tls_receiver()
        mx = self.server(self.destination(receiver, ca_file=self.path("server.pem")), self.confine())
        mx.send(harness.mail())
        receiver.wait_for(1)

    def test_a_client_certificate_is_shown(self):
        receiver = self.tls_receiver(ask_for_client=True)
        mx = self.server(self.destination(receiver, ca_file=self.path("server.pem"),
                                          client_cert=self.path("client.pem"),
                                          client_key=self.path("client.key")), self.confine())
        mx.send(harness.mail())
        receiver.wait_for(1)

    def test_without_one_it_fails(self):
        receiver = self.tls_receiver(ask_for_client=True)
        mx = self.server(self.destination(receiver, ca_file=self.path("server.pem")), self.confine())
        mx.send(harness.mail())
        mx.wait_logged("undelivered")
        self.assertEqual(receiver.posts, [])


if __name__ == "__main__":
    unittest.main()
