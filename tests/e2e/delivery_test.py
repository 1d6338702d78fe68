"""What is accepted arrives: retries, restarts, the queue."""

import ssl
import subprocess
import unittest

import harness

SOON = "deliver = { schedule = { '100ms' }, attempts = 3 }"


class Delivery(harness.TestCase):
    def test_a_receiver_that_is_down_for_a_while_gets_all(self):
        down = iter(range(5))
        sink = self.receiver(lambda post: 503 if next(down, None) is not None else 200)
        mx = self.server(self.to(sink), "deliver = { schedule = { '200ms' }, attempts = 30 }")
        for number in range(20):
            mx.send(harness.mail(message_id="%d@client.test" % number))
        harness.wait_until(lambda: not mx.command("queue", "list").stdout, "an empty queue")
        by_id = {}
        for post in sink.posts:
            by_id.setdefault(post.id, set()).add(post.body)
        self.assertEqual(len(by_id), 20)
        self.assertTrue(all(len(bodies) == 1 for bodies in by_id.values()))  # the same bytes each time
        self.assertEqual(len(sink.posts), 5 + 20)

    def test_after_the_last_attempt_it_is_kept_as_failed(self):
        status = {"now": 500}
        sink = self.receiver(lambda post: status["now"])
        mx = self.server(self.to(sink), SOON)
        mx.send(harness.mail())
        line = harness.wait_until(lambda: mx.command("queue", "list", "--failed").stdout, "failure")
        self.assertEqual(len(sink.posts), 3)
        self.assertIn("failed", line)
        self.assertIn("500", line)
        delivery = line.split()[0]
        self.assertEqual(delivery, sink.posts[0].id)
        shown = mx.command("queue", "show", delivery).stdout
        self.assertIn(sink.posts[0].body.decode(), shown)
        status["now"] = 200
        self.assertEqual(mx.command("queue", "retry", delivery).returncode, 0)
        sink.wait_for(4)
        harness.wait_until(lambda: not mx.command("queue", "list").stdout, "an empty queue")

    def test_410_ends_it_at_once(self):
        sink = self.receiver(lambda post: 410)
        mx = self.server(self.to(sink), SOON)
        mx.send(harness.mail())
        harness.wait_until(lambda: mx.command("queue", "list", "--failed").stdout, "failure")
        self.assertEqual(len(sink.posts), 1)

    def test_redirects_are_not_followed(self):
        other = self.receiver()
        sink = self.receiver(lambda post: (302, {"location": other.url}))
        mx = self.server(self.to(sink), SOON)
        mx.send(harness.mail())
        line = harness.wait_until(lambda: mx.command("queue", "list", "--failed").stdout, "failure")
        self.assertIn("302", line)
        self.assertEqual(other.posts, [])

    def test_retry_after_is_honoured(self):
        answers = [(503, {"retry-after": "2"}), 200]
        sink = self.receiver(lambda post: answers.pop(0))
        mx = self.server(self.to(sink), SOON)
        mx.send(harness.mail())
        sink.wait_for(2)
        self.assertGreater(sink.posts[1].time - sink.posts[0].time, 1.8)

    def test_the_queue_commands_work_without_a_server(self):
        sink = self.receiver(lambda post: 500)
        mx = self.server(self.to(sink), "deliver = { attempts = 1 }")
        mx.send(harness.mail(message_id="1@client.test"))
        mx.send(harness.mail(message_id="2@client.test"))
        harness.wait_until(lambda: mx.command("queue", "list", "--failed").stdout.count("\n") == 2,
                           "two failures")
        self.assertEqual(mx.stop(), 0)
        first, second = [line.split()[0] for line in mx.command("queue", "list").stdout.splitlines()]
        self.assertEqual(mx.command("queue", "drop", first).returncode, 0)
        self.assertEqual(mx.command("queue", "retry", second).returncode, 0)
        unknown = mx.command("queue", "show", first)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn(first, unknown.stderr)
        sink.answer = lambda post: 200
        mx.start()
        posts = sink.wait_for(3)
        self.assertEqual(posts[2].id, second)

    def test_a_restart_delivers_what_waits(self):
        sink = self.receiver(lambda post: 503)
        mx = self.server(self.to(sink), "deliver = { schedule = { '1s' }, attempts = 50 }")
        for number in range(5):
            mx.send(harness.mail(message_id="%d@client.test" % number))
        sink.wait_for(5)
        mx.kill()
        sink.answer, sink.posts[:] = lambda post: 200, []
        mx.start()
        sink.wait_for(5)
        self.assertEqual(len({post.id for post in sink.posts}), 5)

    def test_a_second_server_on_the_same_spool_is_refused(self):
        sink = self.receiver()
        mx = self.server(self.to(sink))
        second = subprocess.run([harness.MXHOOK, "run", "--config", mx.config],
                                capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(second.returncode, 1)
        self.assertRegex(second.stderr, r"not-started error=.*spool")
        mx.send(harness.mail())
        sink.wait_for(1)


class Tls(harness.TestCase):
    def setUp(self):
        self.mx = self.server({}, start=False)
        folder = self.mx.folder
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*harness.loopback_certificate(folder))
        self.sink = self.receiver(ssl_context=context)
        for name, text in self.to(self.sink).items():
            self.mx.write_rule(name, text)

    def configure(self, deliver):
        self.mx.write("mxhook.lua", """domains = { "example.com" } listen = { "127.0.0.1:0" }
            spool = { directory = "spool" } deliver = { %s } %s""" % (deliver, harness.NO_DNS))

    def test_a_certificate_that_is_not_trusted_is_a_failure(self):
        self.configure("attempts = 1")
        self.mx.start()
        self.mx.send(harness.mail())
        line = harness.wait_until(lambda: self.mx.command("queue", "list", "--failed").stdout, "it")
        self.assertIn("certificate", line)
        self.assertEqual(self.sink.posts, [])

    def test_a_certificate_for_another_name_is_a_failure(self):
        self.configure("ca_file = 'cert.pem', attempts = 1")
        self.mx.write_rule("10-all.lua", "return function() return 'https://localhost:%d/' end" % self.sink.port)
        self.mx.start()
        self.mx.send(harness.mail())
        self.mx.wait_logged("undelivered", "certificate", "localhost")
        self.assertEqual(self.sink.posts, [])

    def test_a_receiver_without_tls_is_a_failure(self):
        self.configure("attempts = 1")
        plain = self.receiver()
        self.mx.write_rule("10-all.lua", "return function() return 'https://127.0.0.1:%d/' end" % plain.port)
        self.mx.start()
        self.mx.send(harness.mail())
        self.mx.wait_logged("undelivered", "SSL")
        self.assertEqual(plain.posts, [])

    def test_a_trusted_one_works(self):
        self.configure("ca_file = 'cert.pem'")
        self.mx.start()
        self.mx.send(harness.mail())
        self.assertEqual(self.sink.wait_for(1)[0].json["subject"], "A subject")


if __name__ == "__main__":
    unittest.main()
