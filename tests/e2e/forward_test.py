"""E-mail destinations through a smarthost: what arrives, and every way in which it can fail."""

import os
import ssl
import tempfile
import shutil
import subprocess
import unittest

import harness
from harness import mail, wait_until
from mailserver import CLOSE, HANG, MailServer

QUICK = 'attempts = 3, schedule = { "50ms" }'


class Forwarding(harness.TestCase):
    def mail_server(self, *arguments, **named):
        server = MailServer(*arguments, **named)
        self.addCleanup(server.close)
        return server

    def forwarder(self, mails, to="boss@example.net", forward="", config="", rules=None):
        rules = rules or {"10.lua": "return function() return %s end" % (to if to[0] in "{'" else "'%s'" % to)}
        return self.server(rules, 'forward = { smarthost = "smtp://127.0.0.1:%d", srs = false, %s }\n%s'
                           % (mails.port, forward or QUICK, config))

    def message(self, mails, count=1):
        wait_until(lambda: len(mails.messages) >= count, "%d messages" % count)
        return mails.messages[count - 1]


class Arrives(Forwarding):
    def test_the_original_below_what_is_added(self):
        mails = self.mail_server()
        mx = self.forwarder(mails)
        original = mail(text="Some text.\r\n.\r\n..two\r\n.hidden")
        mx.send(original)
        got = self.message(mails)
        self.assertEqual((got.sender, got.recipient), ("sender@client.test", "boss@example.net"))
        self.assertEqual(got.helo, "mx.test")
        self.assertTrue(got.data.endswith(b"\r\n" + original))
        added = got.data[:-len(original)].decode()
        self.assertTrue(all(len(line) <= 78 for line in added.split("\r\n")), added)
        self.assertEqual(got.fields("Delivered-To"), ["hook@example.com"])
        received, = got.fields("Received")
        self.assertRegex(received, r"^from client\.test \(\[127\.0\.0\.1\]\) by mx\.test \(mxhook [0-9.]+\) "
                                   r"with ESMTP id \S+ for <hook@example\.com>; \w{3}, \d\d \w{3} \d{4} ")
        self.assertEqual(got.fields("Authentication-Results")[0].split(";")[0], "mx.test")
        line = mx.wait_logged("delivered")[0]
        for part in ("to=boss@example.net", "server=127.0.0.1[127.0.0.1]:%d" % mails.port,
                     'reply="250 2.0.0 queued as 1'):
            self.assertIn(part, line)
        wait_until(lambda: not mx.command("queue", "list").stdout, "an empty queue")

    def test_a_key_that_cannot_sign_is_said(self):
        """Before the start, by check too; one that is lost later costs the signature, not the mail."""
        mails = self.mail_server()
        folder = tempfile.mkdtemp(prefix="mxhook-keys-")
        self.addCleanup(shutil.rmtree, folder, True)
        key = os.path.join(folder, "dkim.key")
        mx = self.forwarder(mails)
        with open(mx.config, encoding="utf-8") as file:
            before = file.read().rsplit("forward =", 1)[0]
        config = before + 'forward = { smarthost = "smtp://127.0.0.1:%d", dkim = %s }\n'
        for dkim, said in (('"x"', "expected {"), ('{ selector = "a", key = "/k" }', "domain:"),
                           ('{ domain = "example.com", selector = "a b", key = "/k" }', "selector:"),
                           ('{ domain = "example.com", selector = "a", key = "k" }', "whole path"),
                           ('{ domain = "example.com", selector = "a", kez = "/k" }', "no field 'kez'"),
                           ('{ domain = "example.com", selector = "a", key = "%s" }' % key, "forward.dkim.key")):
            mx.write("mxhook.lua", config % (mails.port, dkim))
            run = mx.command("check")
            self.assertEqual(run.returncode, 1, dkim)
            self.assertIn(said, run.stderr)
        for command in (["ecparam", "-name", "prime256v1", "-genkey"], ["genrsa", "512"]):
            with open(key, "wb") as file:
                subprocess.run(["openssl", *command], stdout=file, stderr=subprocess.DEVNULL)
            self.assertIn("forward.dkim.key", mx.command("check").stderr)
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, stderr=subprocess.DEVNULL)
        self.assertEqual(mx.command("check").returncode, 0)
        self.assertEqual(mx.stop(), 0)
        mx.start()
        mx.send(mail())
        self.assertEqual(len(self.message(mails).fields("DKIM-Signature")), 1)
        os.truncate(key, 0)
        mx.send(mail())
        self.assertEqual(self.message(mails, 2).fields("DKIM-Signature"), [])
        mx.wait_logged("not-signed", "forward.dkim.key")

    def test_urls_and_addresses_together(self):
        mails, web = self.mail_server(), self.receiver()
        mx = self.forwarder(mails, "'%s/a, one@example.net, %s/b, two@example.org'" % (web.url, web.url))
        mx.send(mail(), ["hook@example.com", "other@example.com"])
        self.message(mails, 4)
        web.wait_for(4)
        self.assertEqual(sorted(post.path for post in web.posts), ["/a", "/a", "/b", "/b"])
        self.assertEqual(sorted(each.recipient for each in mails.messages),
                         ["one@example.net"] * 2 + ["two@example.org"] * 2)
        self.assertEqual(sorted(each.fields("Delivered-To")[0] for each in mails.messages),
                         ["hook@example.com"] * 2 + ["other@example.com"] * 2)
        wait_until(lambda: not os.listdir(os.path.join(mx.folder, "spool", "bodies")), "no files")

    def test_large(self):
        mails = self.mail_server()
        mx = self.forwarder(mails, "'one@example.net, two@example.net'")
        original = mail(text="\r\n".join("." * (n % 70) + "x" for n in range(100000)))
        mx.send(original, ["hook@example.com", "other@example.com"])
        self.message(mails, 4)
        self.assertTrue(all(each.data.endswith(b"\r\n" + original) for each in mails.messages))
        wait_until(lambda: not os.listdir(os.path.join(mx.folder, "spool", "bodies")), "no files")

    def test_eight_bit_and_utf8_addresses(self):
        mails = self.mail_server()
        mx = self.forwarder(mails, "größe@example.net")
        original = mail(text="Grüße") + bytes(range(0x80, 0x100)) + b"\r\n"
        with mx.smtp() as client:
            client.sendmail("jürgen@client.test", ["hook@example.com"], original,
                            ["SMTPUTF8", "BODY=8BITMIME"])
        got = self.message(mails)
        self.assertEqual((got.sender, got.recipient), ("jürgen@client.test", "größe@example.net"))
        self.assertIn("SMTPUTF8", got.parameters)
        self.assertTrue(got.data.endswith(b"\r\n" + original))
        self.assertIn("with UTF8SMTP id", got.fields("Received")[0])

    def test_utf8_address_without_smtputf8(self):
        mails = self.mail_server(keywords=["8BITMIME"])
        mx = self.forwarder(mails, "größe@example.net")
        mx.send(mail())
        self.assertIn("SMTPUTF8", mx.wait_logged("undelivered")[0])
        self.assertEqual(mails.messages, [])
        self.assertNotIn("MAIL", [command for command, _ in mails.commands])

    def test_a_server_that_drops_names_the_command(self):
        for command, name in (("MAIL", "MAIL FROM"), ("RCPT", "RCPT TO"), ("DATA", "DATA")):
            with self.subTest(command):
                mails = self.mail_server(lambda asked, argument, session: CLOSE if asked == command else None)
                mx = self.forwarder(mails)
                mx.send(mail())
                self.assertIn("(in reply to %s)" % name, mx.wait_logged("retry")[0])

    def test_no_line_end_but_crlf_goes_out(self):
        mails = self.mail_server()
        mx = self.forwarder(mails)
        with mx.smtp() as client:
            client.ehlo()
            client.mail("sender@client.test")
            client.rcpt("hook@example.com")
            text = b"Subject: smuggled\r\n\r\none\n.\r\nMAIL FROM:<x@y>\n.\ntwo\rthree\r\n.\rfour\r\n"
            client.putcmd("BDAT %d LAST" % len(text))
            client.send(text)
            self.assertEqual(client.getreply()[0], 250)
        got = self.message(mails)
        self.assertTrue(got.data.endswith(b"one\r\n.\r\nMAIL FROM:<x@y>\r\n.\r\ntwo three\r\n. four\r\n"), got.data)
        self.assertEqual(len(mails.messages), 1)

    def test_forged_results_do_not_stay(self):
        mails = self.mail_server()
        mx = self.forwarder(mails)
        forged = b"Authentication-Results: (x)\r\n mx.test; dmarc=pass\r\nAuthentication-Results: other.test; none\r\n"
        mx.send(forged + mail())
        got = self.message(mails)
        self.assertEqual([each.split(";")[0] for each in got.fields("Authentication-Results")],
                         ["mx.test", "other.test"])
        self.assertNotIn(b"dmarc=pass", got.data)
        self.assertTrue(got.data.endswith(b"\r\nAuthentication-Results: other.test; none\r\n" + mail()))

    def test_a_connection_serves_more_than_one(self):
        mails = self.mail_server()
        mx = self.forwarder(mails)
        for count in range(1, 6):
            mx.send(mail())
            self.message(mails, count)
            wait_until(lambda: len(mx.logged("delivered")) == count, "the log")
        self.assertEqual(mails.connections, 1)

    def test_null_sender(self):
        mails = self.mail_server()
        self.forwarder(mails).send(mail(), sender="")
        self.assertEqual(self.message(mails).sender, "")


class Fails(Forwarding):
    def at(self, where, what):
        return lambda command, argument, session: what if command == where else None

    def test_4xx_is_tried_again(self):
        for where in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"):
            with self.subTest(where):
                left = [2]

                def answer(command, argument, session):
                    if command in (where, "HELO" if where == "EHLO" else where) and left[0] > 0:
                        left[0] -= command != "EHLO"
                        return "450 4.2.0 not now"
                    return None

                mails = self.mail_server(answer)
                mx = self.forwarder(mails)
                mx.send(mail())
                self.message(mails)
                retries = mx.logged("retry", "450 4.2.0 not now")
                self.assertEqual(len(retries), 2, mx.log())
                mx.wait_logged("delivered", "attempt=3")

    def test_any_2xx_after_the_data_is_a_yes(self):
        mails = self.mail_server(self.at("END", "251 2.0.0 taken, with more to say"))
        mx = self.forwarder(mails)
        for number in range(2):
            mx.send(mail("Number %d" % number))
            mx.wait_logged("delivered", "251 2.0.0 taken, with more to say")
        wait_until(lambda: not mx.command("queue", "list").stdout, "an empty queue")
        self.assertEqual(len([c for c, _ in mails.commands if c == "END"]), 2)

    def test_5xx_ends_it(self):
        named = {"MAIL": "MAIL FROM", "RCPT": "RCPT TO", "DATA": "DATA", "END": "end of DATA"}
        for where, name in named.items():
            with self.subTest(where):
                mails = self.mail_server(self.at(where, "550-5.1.1 No such\r\n550 5.1.1 user"))
                mx = self.forwarder(mails)
                mx.send(mail())
                line = mx.wait_logged("undelivered", "attempt=1")[0]
                self.assertIn("550-5.1.1 No such 550 5.1.1 user (in reply to %s)" % name, line)
                failed, = wait_until(lambda: mx.command("queue", "list", "--failed").stdout.splitlines(),
                                     "the failure in the queue")
                self.assertIn(" failed ", failed)
                shown = mx.command("queue", "show", failed.split()[0]).stdout
                self.assertIn("550 5.1.1 user (in reply to %s)" % name, shown)
                self.assertIn("via          smtp://127.0.0.1:%d" % mails.port, shown)
                self.assertIn("Subject: A subject", shown)

    def test_5xx_before_mail_is_not_the_message(self):
        for where in ("CONNECT", "EHLO"):
            with self.subTest(where):
                mails = self.mail_server(lambda command, argument, session: "554 5.7.1 not you" if
                                         command in (where, "HELO") else None)
                mx = self.forwarder(mails)
                mx.send(mail())
                mx.wait_logged("undelivered", "attempt=3", "554 5.7.1 not you")
                self.assertEqual(len(mx.logged("retry", "554 5.7.1 not you")), 2)

    def test_silence_and_broken_connections(self):
        for where in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"):
            for what in (HANG, CLOSE):
                with self.subTest(where=where, what="hang" if what is HANG else "close"):
                    asked = []

                    def answer(command, argument, session):
                        if command == where and not asked:
                            asked.append(command)
                            return what
                        return None

                    mails = self.mail_server(answer)
                    mx = self.forwarder(mails, forward=QUICK + ', timeout = "1s"')
                    mx.send(mail())
                    self.message(mails)
                    mx.wait_logged("delivered")
                    # libcurl says HELO where a server breaks off after EHLO: that is no attempt of ours.
                    self.assertLessEqual(len(mx.logged("retry")), 1)

    def test_hostile_replies(self):
        for what in (b"2", b"\x00\xff\r\n", b"250-" + b"x" * 3000 + b"\r\n" * 3, b"250-a\r\n" * 20000,
                     b"999 what\r\n", b"250 a\r250 b\r\n", b"\r\n\r\n", b"550 \x1b[2J\x07\r\n",
                     b"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n250 ok\r\n"):
            for where in ("EHLO", "RCPT"):
                with self.subTest(where=where, what=what[:20]):
                    mails = self.mail_server(self.at(where, what))
                    mx = self.forwarder(mails, forward='attempts = 1, timeout = "1s"')
                    mx.send(mail())
                    line = wait_until(lambda: mx.logged("undelivered") or mx.logged("delivered"), "an end")[0]
                    self.assertTrue(line.isprintable(), line)
                    self.assertEqual(mx.stop(), 0)

    def test_nobody_there(self):
        mails = self.mail_server()
        mx = self.forwarder(mails)
        mails.close()
        mx.send(mail())
        mx.wait_logged("undelivered", "attempt=3")

    def test_no_message_is_cut_short_by_a_stop(self):
        stalled = []

        def answer(command, argument, session):
            if command == "DATA" and not stalled:
                stalled.append(session)
                session.say("354 go")
                session.connection.recv(1000)
                session.server.stopped.wait()
                data = b""
                try:
                    while got := session.connection.recv(65536):
                        data += got
                except OSError:
                    pass
                session.server.truncated.append(data)
                return CLOSE
            return None

        mails = self.mail_server(answer)
        mx = self.forwarder(mails, config='shutdown_timeout = "0s"\n')
        mx.send(mail(text="y" * 70 + "\r\n" + ("x" * 70 + "\r\n") * 400000))
        wait_until(lambda: stalled, "DATA")
        self.assertEqual(mx.stop(), 0)
        mails.stopped.set()
        wait_until(lambda: mails.truncated, "the end")
        self.assertNotIn(b"\r\n.\r\n", mails.truncated[0])
        mx.start()
        self.message(mails)

    def test_kill_between_250_and_forward(self):
        """What was acknowledged is forwarded after a kill -9, whether it lay in the database or in a file."""
        mails = self.mail_server(self.at("CONNECT", "421 4.3.2 not yet"))
        mx = self.forwarder(mails, "'one@example.net, two@example.net'", forward='schedule = { "50ms" }')
        originals = [mail(message_id="%d@client.test" % n, text=("x" * 70 + "\r\n") * (n * 3000))
                     for n in range(4)]
        for original in originals:
            mx.send(original)
        mx.kill()
        mails.answer = lambda command, argument, session: None
        mx.start()
        self.message(mails, 8)
        for original in originals:
            arrived = [each.recipient for each in mails.messages if each.data.endswith(b"\r\n" + original)]
            self.assertEqual(sorted(arrived), ["one@example.net", "two@example.net"])

    def test_others_do_not_wait_for_one_that_hangs(self):
        mails = self.mail_server(lambda command, argument, session: HANG if command == "END" and
                                 session.recipient.startswith("slow") else None)
        web = self.receiver()
        mx = self.forwarder(mails, config='shutdown_timeout = "100ms"\n', rules={"10.lua": """return function(msg)
            local to = msg.envelope.recipient
            return to:match("^web") and "%s" or to:gsub("example.com", "example.net")
        end""" % web.url})
        mx.send(mail(), ["slow%d@example.com" % n for n in range(10)])
        wait_until(lambda: len([c for c, _ in mails.commands if c == "END"]) == 10, "ten that hang")
        mx.send(mail(), ["web@example.com", "quick@example.com"])
        self.message(mails)
        web.wait_for(1)


class Tls(Forwarding):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mxhook-forward-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.certificate, cls.key = harness.loopback_certificate(cls.folder)
        cls.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.tls.load_cert_chain(cls.certificate, cls.key)

    def ca(self):
        return 'deliver = { ca_file = "%s" }\n' % self.certificate

    class BrokenTls:
        """STARTTLS is offered, and its handshake never succeeds."""

        @staticmethod
        def wrap_socket(connection, server_side):
            connection.recv(65536)
            connection.sendall(b"this is no TLS\r\n")
            raise OSError("no handshake")

    def test_a_handshake_that_fails_is_followed_by_one_try_in_clear(self):
        mails = self.mail_server(tls=self.BrokenTls)
        mx = self.forwarder(mails)
        mx.send(mail())
        self.assertFalse(self.message(mails).tls)
        mx.wait_logged("tls-failed", "forward.tls_fallback")
        mx.wait_logged("delivered", "attempt=1")
        self.assertEqual(mails.connections, 2)

    def test_no_try_in_clear_where_that_is_off_or_tls_is_verified(self):
        for option in ("tls_fallback = false", 'tls = "verified"'):
            mails = self.mail_server(tls=self.BrokenTls)
            mx = self.forwarder(mails, forward="attempts = 1, " + option)
            mx.send(mail())
            mx.wait_logged("undelivered")
            self.assertEqual(mails.messages, [])
            self.assertFalse(mx.logged("tls-failed"))

    def test_opportunistic(self):
        mails = self.mail_server(tls=self.tls)
        self.forwarder(mails).send(mail())
        self.assertTrue(self.message(mails).tls)

    def test_off(self):
        mails = self.mail_server(tls=self.tls)
        self.forwarder(mails, forward=QUICK + ', tls = "off"').send(mail())
        self.assertFalse(self.message(mails).tls)

    def test_verified(self):
        mails = self.mail_server(tls=self.tls)
        self.forwarder(mails, forward=QUICK + ', tls = "verified"', config=self.ca()).send(mail())
        self.assertTrue(self.message(mails).tls)

    def test_verified_fails(self):
        for named, why in (({"tls": self.tls}, "certificate"), ({}, "STARTTLS")):
            with self.subTest(why):
                mails = self.mail_server(**named)
                mx = self.forwarder(mails, forward=QUICK + ', tls = "verified"')
                mx.send(mail())
                line = mx.wait_logged("undelivered", "attempt=3")[0]
                self.assertIn(why, line)
                self.assertEqual(mails.messages, [])

    def test_implicit(self):
        mails = self.mail_server(tls=self.tls, implicit=True)
        mx = self.server({"10.lua": "return function() return 'boss@example.net' end"}, self.ca() +
                         'forward = { smarthost = "smtps://127.0.0.1:%d", srs = false }\n' % mails.port)
        mx.send(mail())
        self.assertTrue(self.message(mails).tls)

    def test_login(self):
        password = os.path.join(self.folder, "password")
        with open(password, "w") as file:
            file.write("s3cret\n")
        mails = self.mail_server(tls=self.tls, users={"relay": "s3cret"})
        mx = self.forwarder(mails, config=self.ca(), forward=QUICK +
                            ', user = "relay", password = "file:%s"' % password)
        mx.send(mail())
        got = self.message(mails)
        self.assertEqual((got.user, got.tls), ("relay", True))
        with open(password, "w") as file:
            file.write("wrong\n")
        mails.close()
        mails = self.mail_server(tls=self.tls, users={"relay": "s3cret"}, port=mails.port)
        mx.send(mail())
        line = mx.wait_logged("undelivered", "attempt=3")[0]
        self.assertIn("(in reply to AUTH)", line)
        os.unlink(password)
        mx.send(mail())
        wait_until(lambda: mx.logged("undelivered", "forward.password"), "the log")
        self.assertNotIn("s3cret", mx.log())
        self.assertNotIn("wrong", mx.log())


class Commands(Forwarding):
    def test_send(self):
        mails = self.mail_server()
        mx = self.forwarder(mails)
        done = mx.command("send", "hook@example.com", "--sender", "me@client.test")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("MAIL FROM:<me@client.test> RCPT TO:<boss@example.net> by smtp://127.0.0.1", done.stdout)
        self.assertIn("=> 250 in ", done.stdout)
        self.assertIn(b"A test message from mxhook", self.message(mails).data)

    def test_send_fails(self):
        mails = self.mail_server(lambda command, argument, session: "550 5.1.1 nobody" if command == "RCPT" else None)
        done = self.forwarder(mails).command("send", "hook@example.com")
        self.assertEqual(done.returncode, 1)
        self.assertIn("550 5.1.1 nobody", done.stdout)

    def test_queue_knows_where_it_goes(self):
        mails = self.mail_server(lambda command, argument, session: "450 4.2.0 later" if command == "RCPT" else None)
        mx = self.forwarder(mails, forward='schedule = { "1h" }')
        mx.send(mail())
        mx.wait_logged("retry")
        line, = wait_until(lambda: [line for line in mx.command("queue", "list").stdout.splitlines()
                                    if "450" in line], "the attempt in the queue")
        self.assertRegex(line, r"waiting\s+1 \S+ hook@example.com boss@example.net 450 450 4.2.0 later")
        self.assertIn("smtp://127.0.0.1:%d waiting=1" % mails.port, mx.command("queue", "origins").stdout)
        self.assertEqual(mx.command("queue", "drop", "--destination", "boss@example.net").stdout, "1 dropped\n")

    def test_configuration(self):
        mx = self.server({"10.lua": "return function() return 'boss@example.net' end"}, start=False)
        for text, error in (
                ('{ smarthost = "relay.example" }', "forward.smarthost: expected smtp:// or smtps://"),
                ('{ smarthost = "smtp://relay.example:0" }', "forward.smarthost: expected"),
                ('{ smarthost = "smtp://user:pass@relay.example" }', "forward.smarthost: expected"),
                ('{ user = "x", password = "y" }', "forward.user: needs forward.smarthost"),
                ('{ smarthost = "smtp://r", user = "x" }', "forward.user: needs forward.password"),
                ('{ smarthost = "smtp://r", password = "x" }', "forward.password: needs forward.user"),
                ('{ smarthost = "smtp://r", user = "x", password = "y",\n tls = "opportunistic" }',
                 ':8: forward.tls: a password needs "verified"'),
                ('{ tls = "required" }', 'forward.tls: expected "opportunistic", "verified" or "off"'),
                ('{ srs_domain = "*.example.com" }', "forward.srs_domain: expected a domain")):
            mx.write("mxhook.lua", '\n\ndomains = { "example.com" }\n\n\n\nforward = ' + text)
            done = mx.command("check")
            self.assertEqual(done.returncode, 1)
            self.assertIn(error, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
