#!/usr/bin/python3
"""The examples of mxhook-payload(5) that verify signatures, with requests that mxhook has signed. An example whose language
is not installed is skipped, and says so; scripts/setup brings all but Go's, which takes 450 MB."""
import http.server
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

import manuals

MXHOOK = os.environ["MXHOOK"]
SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODw=="
GO = '''package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
)

%s
func main() {
	body, err := os.ReadFile(os.Args[5])
	h := http.Header{}
	for i, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		if os.Args[2+i] != "" {
			h.Set(name, os.Args[2+i])
		}
	}
	if err != nil || !verify(os.Args[1], h, body) {
		os.Exit(1)
	}
}
'''
# Each is called as: secret, id, timestamp, signature, file with the body; exit code 0 where it fits.
PYTHON = '''import sys
names = ("webhook-id", "webhook-timestamp", "webhook-signature")
sys.exit(0 if verify(sys.argv[1], dict(zip(names, sys.argv[2:5])), open(sys.argv[5], "rb").read()) else 1)
'''
NODE = '''
const [secret, id, timestamp, signature, file] = process.argv.slice(2)
const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature }
process.exit(verify(secret, headers, require("fs").readFileSync(file)) ? 0 : 1)
'''
PHP = '''
[, $secret, $id, $timestamp, $signature, $file] = $argv;
$headers = ['webhook-id' => $id, 'webhook-timestamp' => $timestamp, 'webhook-signature' => $signature];
exit(verify($secret, $headers, file_get_contents($file)) ? 0 : 1);
'''


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def signed_request(folder, secret):
    """What `mxhook send` posts to a destination with this secret: headers and body."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        (folder / "rules.d").mkdir(exist_ok=True)
        (folder / "mxhook.lua").write_text('domains = { "example.com" }\nspool = { directory = "%s/spool" }\n' % folder)
        (folder / "rules.d/10.lua").write_text('return function() return { url = "http://127.0.0.1:%d/", secret = "%s" } end\n'
                                               % (server.server_port, secret))
        (folder / "mail.eml").write_bytes("From: a@b.example\nSubject: Für dich\nContent-Type: text/plain; charset=utf-8\n\nä\n".encode())
        subprocess.run([MXHOOK, "send", "--config", folder / "mxhook.lua", "--eml", folder / "mail.eml", "hello@example.com"],
                       check=True, capture_output=True, timeout=60)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    (request,) = server.requests
    return request


class Signatures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.requests = [signed_request(cls.folder, SECRET), signed_request(cls.folder, OTHER + " " + SECRET)]
        page = (manuals.FOLDER / "mxhook-payload.5").read_text().split(".Sh VERIFYING SIGNATURES")[1]
        cls.examples = dict(zip(("python", "node", "go", "php", "shell"), manuals.displays(page)))

    def accepts(self, command, secret, headers, body):
        (self.folder / "body").write_bytes(body)
        done = subprocess.run([*command, secret, headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"],
                               self.folder / "body"], capture_output=True, text=True, timeout=60)
        return done.returncode == 0

    def verify(self, command):
        (headers, body), (two, other_body) = self.requests
        self.assertTrue(self.accepts(command, SECRET, headers, body))
        self.assertEqual(len(two["webhook-signature"].split(" ")), 2)
        self.assertTrue(self.accepts(command, SECRET, two, other_body))
        self.assertTrue(self.accepts(command, OTHER, two, other_body))
        self.assertFalse(self.accepts(command, OTHER, headers, body))
        self.assertFalse(self.accepts(command, SECRET, headers, body + b" "))
        for name, value in (("webhook-id", "another"), ("webhook-timestamp", "1700000000"), ("webhook-signature", ""),
                            ("webhook-signature", "v1,"), ("webhook-signature", headers["webhook-signature"][:-4] + "AAA="),
                            ("webhook-signature", headers["webhook-signature"].replace("v1,", "v1a,"))):
            self.assertFalse(self.accepts(command, SECRET, {**headers, name: value}, body), (name, value))

    def program(self, name, text):
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def test_python(self):
        self.verify(["/usr/bin/python3", self.program("verify.py", self.examples["python"] + PYTHON)])

    def test_shell(self):
        self.verify(["sh", self.program("verify.sh", self.examples["shell"] + 'verify "$@"\n')])

    @unittest.skipUnless(shutil.which("node"), "node is not installed")
    def test_node(self):
        self.verify(["node", self.program("verify.js", self.examples["node"] + NODE)])

    @unittest.skipUnless(shutil.which("php"), "php is not installed")
    def test_php(self):
        self.verify(["php", self.program("verify.php", "<?php\n" + self.examples["php"] + PHP)])

    @unittest.skipUnless(shutil.which("go"), "go is not installed")
    def test_go(self):
        source = self.program("verify.go", GO % self.examples["go"])
        subprocess.run(["go", "build", "-o", self.folder / "verify", source], check=True, timeout=900,
                       env={**os.environ, "GOCACHE": os.environ.get("GOCACHE", "%s/go-cache" % self.folder), "GOPATH": "%s/go" % self.folder,
                            "GOPROXY": "off", "GOTOOLCHAIN": "local"})
        self.verify([str(self.folder / "verify")])


if __name__ == "__main__":
    unittest.main()
