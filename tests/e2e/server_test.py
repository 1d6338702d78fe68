"""The process: start, stop, check, limits that only the whole server has."""

import signal
import smtplib
import socket
import subprocess
import time
import unittest

import harness


class Stop(harness.TestCase):
    def setUp(self):
        self.sink = self.receiver()
        self.mx = self.server(self.to(self.sink), "shutdown_timeout = '20s'")

    def test_sigterm_exits_0(self):
        self.assertEqual(self.mx.stop(), 0)

    def test_a_message_under_way_is_finished(self):
        client = self.mx.smtp()
        client.ehlo()
        client.mail("a@client.test")
        client.rcpt("hook@example.com")
        client.docmd("DATA")
        client.send(harness.mail()[:30])
        self.mx.process.terminate()
        self.mx.wait_logged("stopping")
        client.send(harness.mail()[30:] + b".\r\n")
        self.assertEqual(client.getreply()[0], 250)
        client.close()
        self.assertEqual(self.mx.process.wait(harness.PATIENCE), 0)
        # Delivered before the exit, or by the next start.
        if not self.sink.posts:
            self.mx.start()
        self.sink.wait_for(1)

    def test_an_idle_session_gets_421_and_no_new_one_is_taken(self):
        client = self.mx.smtp()
        client.ehlo()
        self.mx.process.terminate()
        self.assertEqual(client.getreply()[0], 421)
        client.close()
        self.assertEqual(self.mx.process.wait(harness.PATIENCE), 0)
        with self.assertRaises(OSError):
            self.mx.smtp()

    def test_a_second_sigterm_exits_at_once(self):
        client = self.mx.smtp()
        client.ehlo()
        client.mail("a@client.test")
        client.rcpt("hook@example.com")
        client.docmd("DATA")
        self.mx.process.terminate()
        self.mx.wait_logged("stopping")
        self.mx.process.terminate()
        self.assertEqual(self.mx.process.wait(harness.PATIENCE), 1)
        client.close()


class StopTimeout(harness.TestCase):
    def test_a_session_that_never_ends_is_broken_off(self):
        sink = self.receiver()
        mx = self.server(self.to(sink), "shutdown_timeout = '300ms'")
        client = mx.smtp()
        client.ehlo()
        client.mail("a@client.test")
        client.rcpt("hook@example.com")
        client.docmd("DATA")
        self.assertEqual(mx.stop(), 0)
        client.close()

    def test_a_receiver_that_never_answers_is_broken_off(self):
        sink = self.receiver(lambda post: time.sleep(600) or 200)
        mx = self.server(self.to(sink), "shutdown_timeout = '300ms'")
        mx.send(harness.mail())
        sink.wait_for(1)
        self.assertEqual(mx.stop(), 0)
        sink.answer = lambda post: 200
        mx.start()
        self.assertEqual(sink.wait_for(2)[1].id, sink.posts[0].id)


class Check(harness.TestCase):
    def test_good_ones(self):
        mx = self.server({"10.lua": "return function(msg) end"}, start=False)
        result = mx.command("check")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stderr, r"\A.*warning: .*: example.com is still the placeholder, .*\n\Z")
        self.assertIn("1 rule", result.stdout)

    def test_both_forms_of_a_domain(self):
        mx = self.server({"10.lua": "return function(msg) end"},
                         'domains = { "Bücher.example", "*.xn--mnchen-3ya.example", "[192.0.2.1]", "plain.example" }', start=False)
        result = mx.command("check")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("domain xn--bcher-kva.example is bücher.example\n", result.stdout)
        self.assertIn("domain *.xn--mnchen-3ya.example is *.münchen.example\n", result.stdout)
        self.assertNotIn("plain.example", result.stdout)
        for domain, expected in (("\u202e.example", "cannot be an internationalized domain"),
                                 ("[192.0.2.999]", "expected an address literal"), ("[2001:db8::1]", "expected an address literal")):
            mx = self.server({}, 'domains = { "%s" }' % domain, start=False)
            self.assertRegex(mx.command("check").stderr, r"mxhook\.lua:\d+: domains: .*" + expected)

    def test_warnings(self):
        """What works, but hardly as it was meant."""
        user = 'smtp = { users = { printer = "$6$mxhook$x" } }\n'
        for lines, expected in (
                (user, "smtp.users: no listener offers AUTH"),
                (user + 'listen = { { address = "127.0.0.1:0", auth = "offered", auth_without_tls = true } }',
                 "listen: 127.0.0.1:0 takes passwords in the clear")):
            mx = self.server({"10.lua": "return function(msg) end"}, lines, start=False)
            result = mx.command("check")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(expected, result.stderr)
        for lines, expected in (
                ('listen = { { address = "127.0.0.1:0", auth_without_tls = true } }', "auth_without_tls = true needs auth"),
                ('listen = { { address = "127.0.0.1:0", min_version = "1.0" } }', 'min_version = "1.0" needs TLS'),
                ('listen = { { address = "127.0.0.1:0", min_version = "0.9" } }', 'expected min_version = "1.0"'),
                ('tls = { min_version = "1.0" }', "belongs to a listener of its own")):
            mx = self.server({}, lines, start=False)
            self.assertIn(expected, mx.command("check").stderr)

    def test_every_error_has_file_and_line(self):
        mx = self.server({"10.lua": "return 5", "20.lua": "\nreturn function("}, start=False)
        result = mx.command("check")
        self.assertEqual(result.returncode, 1)
        self.assertIn("10.lua", result.stderr)
        self.assertIn("20.lua:2", result.stderr)

    def test_a_config_error_has_file_line_and_suggestion(self):
        mx = self.server({}, "\ndomain = 1", start=False)
        result = mx.command("check")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"mxhook\.lua:\d+: domain: .*did you mean domains\?")

    def test_run_refuses_what_check_refuses(self):
        mx = self.server({"10.lua": "return 5"}, start=False)
        result = subprocess.run([harness.MXHOOK, "run", "--config", mx.config],
                                capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(result.returncode, 1)
        self.assertIn("10.lua", result.stderr)

    def test_an_address_that_is_taken_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            mx = self.server({"10.lua": "return function(msg) end"},
                             "listen = { '127.0.0.1:%d' }" % port, start=False)
            result = subprocess.run([harness.MXHOOK, "run", "--config", mx.config],
                                    capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(result.returncode, 1)
        self.assertIn("127.0.0.1:%d" % port, result.stderr)

    def test_every_command_has_help(self):
        top = subprocess.run([harness.MXHOOK, "--help"], capture_output=True, text=True)
        self.assertEqual(top.returncode, 0)
        for line in top.stdout.splitlines():
            if line.startswith("  "):
                command = line.split()[0]
                result = subprocess.run([harness.MXHOOK, command, "--help"], capture_output=True,
                                        text=True)
                self.assertEqual(result.returncode, 0, command)
                self.assertTrue(result.stdout.startswith("Usage: mxhook " + command))

    def test_wrong_usage_exits_2_and_says_what_was_expected(self):
        for arguments, expected in (
                ([], "Usage"), (["nonsense"], "no command 'nonsense'"), (["queue"], "Usage"),
                (["queue", "show"], "one ID is expected"), (["run", "--nonsense"], "Try: mxhook run --help"),
                (["run", "--config"], "Try: mxhook run --help"),
                (["check", "operand"], "'operand' is not expected"),
                (["payload"], "one FILE is expected"), (["send", "a@b.example", "c@d.example"], "one RECIPIENT"),
                (["sink", "--port", "65536"], "--port '65536': a number from 0 to 65535 was expected"),
                (["sink", "--status", "199"], "a number from 200 to 599"),
                (["sink", "--delay", "1s"], "a number from 0 to 3600000"),
                (["queue", "list", "--since", "tomorrow"], "--since 'tomorrow': a time, such as"),
                (["route", "--spf", "perhaps", "-"], "--spf 'perhaps': none, pass, fail"),
                (["route", *["--rcpt", "a@b.example"] * 101, "-"], "no more than 100")):
            result = subprocess.run([harness.MXHOOK, *arguments], capture_output=True, text=True)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertIn(expected, result.stderr)

    def test_the_example_config_is_valid(self):
        example = subprocess.run([harness.MXHOOK, "config"], capture_output=True, text=True).stdout
        mx = self.server({"10.lua": "return function(msg) end"}, start=False)
        mx.write("mxhook.lua", example)
        self.assertEqual(mx.command("check").returncode, 0)


class Listen(harness.TestCase):
    def test_ipv4_and_ipv6_and_several(self):
        sink = self.receiver()
        mx = self.server(self.to(sink), "listen = { '127.0.0.1:0', '127.0.0.1:0', '[::1]:0' }")
        lines = mx.logged("listening")
        self.assertEqual(len(lines), 3)
        for line in lines:
            host = "::1" if "::1" in line else "127.0.0.1"
            port = int(line.split("address=")[1].split()[0].strip('"').rsplit(":", 1)[1])
            with smtplib.SMTP(host, port, timeout=harness.PATIENCE) as client:
                client.sendmail("a@client.test", ["hook@example.com"], harness.mail())
        self.assertEqual(len(sink.wait_for(3)), 3)


if __name__ == "__main__":
    unittest.main()
