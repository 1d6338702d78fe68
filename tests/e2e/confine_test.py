"""The process confines itself by Landlock and seccomp: what it can still do, and what it cannot."""

import base64
import contextlib
import ctypes
import os
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import harness
from harness import mail, wait_until
from mailserver import MailServer

ABI = ctypes.CDLL(None).syscall(444, None, 0, 1)  # landlock_create_ruleset(..., LANDLOCK_CREATE_RULESET_VERSION)

TEXTS = {"koi8-r": "Привет", "windows-1251": "Привет", "iso-8859-5": "Привет", "gb18030": "你好", "big5": "你好",
         "euc-jp": "こんにちは", "iso-2022-jp": "こんにちは", "shift_jis": "こんにちは", "euc-kr": "안녕",
         "iso-8859-7": "γεια", "iso-8859-8": "שלום", "tis-620": "สวัสดี"}


def needs_landlock(test):
    return unittest.skipIf(ABI < 2, "this kernel has no Landlock that is used (ABI %d)" % ABI)(test)


class Confined(harness.TestCase):
    def setUp(self):
        self.web = self.receiver()

    def rules(self, name="10.lua", more=""):
        return {name: "%s return function(msg) return %r end" % (more, self.web.url)}

    def outside(self, name, text=""):
        """A file in a folder that nothing in the configuration leads to."""
        folder = self.folder()
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def folder(self):
        folder = tempfile.mkdtemp(prefix="mxhook-outside-")
        self.addCleanup(shutil.rmtree, folder, True)
        return folder

    def status(self, mx, field):
        with open("/proc/%d/status" % mx.process.pid, encoding="ascii") as file:
            return next(line.split()[1] for line in file if line.startswith(field + ":"))

    # ---- What is said ----

    def test_it_is_logged_once(self):
        mx = self.server(self.rules())
        lines = mx.logged("confined")
        self.assertEqual(len(lines), 1)
        self.assertIn('landlock="ABI %d"' % ABI if ABI >= 2 else 'landlock="none: the kernel\'s is too old"' if ABI == 1
                      else 'landlock="none: the kernel has ', lines[0])
        self.assertRegex(lines[0], r'seccomp="\d+ system calls denied"')
        self.assertEqual(self.status(mx, "Seccomp"), "2")  # a filter
        mx.reload()
        self.assertEqual(len(mx.logged("confined")), 1)

    def test_every_thread_is_confined(self):
        mx = self.server(self.rules())
        mx.send(mail())
        self.web.wait_for(1)
        tasks = "/proc/%d/task" % mx.process.pid
        for task in os.listdir(tasks):
            with open("%s/%s/status" % (tasks, task), encoding="ascii") as file:
                self.assertIn("Seccomp:\t2", file.read())

    def test_off(self):
        for config, why in (("rules = { unsafe = true }", "off: rules.unsafe"),
                            ("confine = { enabled = false }", "off: confine.enabled")):
            mx = self.server(self.rules(), config)
            self.assertIn(why, mx.logged("confined")[0])
            # Newer libuv: no io_uring, and nothing else that is denied.
            self.assertIn(self.status(mx, "Seccomp_filters"), ("0", "1"))

    # ---- What is out of reach ----

    @needs_landlock
    def test_a_rule_reads_no_file_elsewhere(self):
        path = self.outside("list.txt", "x@example.com,null\n")
        mx = self.server(self.rules())
        mx.write_rule("20.lua", "return alias.file(%r)" % path)
        mx.reload()
        self.assertTrue(mx.logged("not-reloaded", path), mx.logged("not-reloaded"))
        mx.send(mail())  # the old rules stay
        self.web.wait_for(1)

    @needs_landlock
    def test_confine_read(self):
        path = self.outside("list.txt", "hook@example.com,%s/listed\n" % self.web.url)
        mx = self.server({"20.lua": "return alias.file(%r)" % path},
                         "confine = { read = { %r } }" % os.path.dirname(path))
        mx.send(mail())
        self.assertEqual(self.web.wait_for(1)[0].path, "/listed")

    @needs_landlock
    def test_confine_read_of_no_folder(self):
        mx = self.server(self.rules(), 'confine = { read = { "/nowhere/at/all" } }', start=False)
        run = subprocess.run([harness.MXHOOK, "run", "--config", mx.config], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 1)
        self.assertIn("/nowhere/at/all: No such file or directory", run.stderr)

    @needs_landlock
    def test_a_reload_that_needs_more_is_refused_by_name(self):
        path = self.outside("ca.pem", open("/etc/ssl/certs/ca-certificates.crt", encoding="utf-8").read()
                            if os.path.exists("/etc/ssl/certs/ca-certificates.crt") else "")
        mx = self.server(self.rules())
        with open(mx.config, "a", encoding="utf-8") as file:
            file.write("\ndeliver = { ca_file = %r }\n" % path)
        mx.reload()
        self.assertTrue(mx.logged("not-reloaded", "deliver.ca_file: " + path, "confine.read"), mx.logged("not-reloaded"))

    # ---- What still works ----

    def test_every_charset(self):
        charsets = ["iso-8859-%d" % i for i in (1, 2, 5, 7, 8, 9, 15)] + [
            "windows-1250", "windows-1251", "windows-1252", "koi8-r", "gb18030", "big5", "euc-jp", "iso-2022-jp",
            "shift_jis", "euc-kr", "utf-7", "utf-16", "tis-620"]
        mx = self.server(self.rules())
        for number, charset in enumerate(charsets, 1):
            text = TEXTS.get(charset, "plain")
            mx.send(b"From: a@b.test\r\nContent-Type: text/plain; charset=" + charset.encode() +
                    b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                    base64.b64encode(text.encode(charset)) + b"\r\n")
            posts = self.web.wait_for(number)
        self.assertEqual(sorted(post.json["text"] for post in posts), sorted(
            TEXTS.get(charset, "plain") for charset in charsets))

    def test_a_certificate_that_is_renewed_behind_a_link(self):
        """As certbot has it: live/mx.pem is a link to archive/mx1.pem, then to archive/mx2.pem."""
        root = self.folder()
        for name in ("live", "archive"):
            os.mkdir(os.path.join(root, name))
        self.make_certificate(root, 1)
        mx = self.server(self.rules(), 'listen = { { address = "127.0.0.1:0", tls = "starttls" } }\n'
                         'tls = { certificates = { { certificate = "%s/live/mx.pem", key = "%s/live/mx.key" } } }'
                         % (root, root))
        self.make_certificate(root, 2)
        mx.reload()
        with mx.smtp() as client:
            client.starttls()

    def make_certificate(self, root, number):
        target = os.path.join(root, "archive", "mx%d" % number)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=mx.test", "-days", "30", "-keyout", target + ".key", "-out", target + ".pem"],
                       check=True, capture_output=True)
        for end in (".pem", ".key"):
            link = os.path.join(root, "live", "mx" + end)
            if os.path.lexists(link):
                os.unlink(link)
            os.symlink(os.path.join("..", "archive", "mx%d%s" % (number, end)), link)

    def test_rules_and_require_after_a_reload(self):
        mx = self.server(self.rules())
        os.mkdir(os.path.join(mx.folder, "rules.d", "lib"))
        mx.write_rule("lib/where.lua", "return { url = %r }" % (self.web.url + "/required"))
        mx.write_rule("05.lua", 'local cjson = require "cjson"\nlocal where = require "where"\n'
                      "return function(msg) return cjson.decode(cjson.encode(where)).url end")
        mx.reload()
        mx.send(mail())
        self.assertEqual(self.web.wait_for(1)[0].path, "/required")

    def aliases(self, mx, mode):
        """A database that nobody else has open."""
        folder = os.path.join(mx.folder, "lists")
        os.mkdir(folder)
        with contextlib.closing(sqlite3.connect(os.path.join(folder, "aliases.db"), isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = " + mode)
            database.execute("CREATE TABLE aliases (address TEXT PRIMARY KEY COLLATE NOCASE, destination TEXT NOT NULL)")
            database.execute("INSERT INTO aliases VALUES ('hook@example.com', ?)", (self.web.url + "/table",))
        mx.write_rule("05.lua", 'return alias.sqlite("%s/aliases.db")' % folder)
        return folder

    def test_alias_sqlite(self):
        mx = self.server(self.rules(), 'rules = { time_limit = "10s" }\n', start=False)
        path = os.path.join(self.aliases(mx, "delete"), "aliases.db")
        mx.start()
        mx.send(mail())
        self.assertEqual(self.web.wait_for(1)[0].path, "/table")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("UPDATE aliases SET destination = ?", (self.web.url + "/changed",))
        mx.send(mail(message_id="2@client.test"))
        self.assertEqual(self.web.wait_for(2)[1].path, "/changed")

    def test_alias_sqlite_in_wal_mode(self):
        mx = self.server(self.rules(), 'rules = { time_limit = "10s" }\n', start=False)
        folder = self.aliases(mx, "wal")
        # Somebody else has it open, and then its -wal and -shm are there ...
        with contextlib.closing(sqlite3.connect(os.path.join(folder, "aliases.db"), isolation_level=None)) as database:
            database.execute("UPDATE aliases SET destination = ?", (self.web.url + "/wal",))
            mx.start()
            mx.send(mail())
            self.assertEqual(self.web.wait_for(1)[0].path, "/wal")
        # ... or not, and then they may be made.
        self.assertEqual(mx.stop(), 0)
        with open(mx.config, "a", encoding="utf-8") as file:
            file.write("\nconfine = { write = { 'lists' } }\n")
        mx.start()
        mx.send(mail(message_id="2@client.test"))
        self.assertEqual(self.web.wait_for(2)[1].path, "/wal")

    def test_forwarding(self):
        mails = MailServer()
        self.addCleanup(mails.close)
        mx = self.server({"10.lua": 'return function() return "boss@example.net" end'},
                         'forward = { smarthost = "smtp://127.0.0.1:%d" }' % mails.port)
        mx.send(mail())
        wait_until(lambda: mails.messages, "the message")

    def test_large_mail_and_a_unix_socket(self):
        sockets = self.folder()
        mx = self.server(self.rules(), 'listen = { "127.0.0.1:0", { address = "unix:%s/lmtp.sock", protocol = "lmtp" } }'
                         % sockets)
        mx.send(mail() + b"x" * 70 * 1000 * 20)
        self.web.wait_for(1)
        self.assertEqual(mx.stop(), 0)
        self.assertEqual(os.listdir(sockets), [])
        mx.start()


if __name__ == "__main__":
    unittest.main()
