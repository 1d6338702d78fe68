"""Deliveries by HTTP/2 (RFC 9113) to a receiver that shares a connection, resets streams and goes away."""

import shutil
import tempfile
import unittest

import harness
import http2_receiver

NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM = 0, 2, 7
DELIVERIES = 60


class Http2(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mxhook-http2-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.certificate, cls.key = harness.loopback_certificate(cls.folder)

    def deliver(self, answer, count=DELIVERIES, **named):
        """Sends one message to `count` destinations; returns the receiver and the server when all have arrived."""
        receiver = http2_receiver.Http2Receiver(self.certificate, self.key, answer, **named)
        self.addCleanup(receiver.close)
        rule = ("local to = {} for i = 1, %d do to[i] = '%s/' .. i end return function() return to end"
                % (count, receiver.url))
        mx = self.server({"10.lua": rule}, "deliver = { ca_file = '%s', schedule = { '100ms' }, attempts = 5 }"
                         % self.certificate)
        mx.send(harness.mail())
        harness.wait_until(lambda: len(mx.logged("delivered")) == count, "all to be delivered")
        self.assertEqual({request.path for request in receiver.requests}, {"/%d" % i for i in range(1, count + 1)})
        self.assertEqual(len({request.body for request in receiver.requests}), 1)  # also of those sent again
        return receiver, mx

    def once(self, what):
        """Answers so the first time, then 200."""
        answers = [what]
        return lambda request: answers.pop() if answers else 200

    def test_requests_share_a_connection(self):
        receiver, _ = self.deliver(lambda request: 200, headers=[("content-length", "2")], hold=10)
        self.assertEqual(receiver.connections, 1)
        self.assertEqual(len(receiver.requests), DELIVERIES)
        self.assertGreaterEqual(receiver.most_streams, 10)

    def test_no_more_at_once_than_the_receiver_allows(self):
        receiver, _ = self.deliver(lambda request: 200, max_streams=3)
        self.assertLessEqual(receiver.most_streams, 3)

    def test_a_refused_stream_is_sent_again(self):
        receiver, _ = self.deliver(self.once(("reset", REFUSED_STREAM)))
        self.assertEqual(len(receiver.requests), DELIVERIES + 1)

    def test_a_reset_stream_is_tried_again_and_told(self):
        receiver, mx = self.deliver(self.once(("reset", INTERNAL_ERROR)))
        self.assertEqual(len(receiver.requests), DELIVERIES + 1)
        self.assertIn("INTERNAL_ERROR", mx.wait_logged("retry")[0])

    def test_streams_that_are_always_reset_fail(self):
        receiver = http2_receiver.Http2Receiver(self.certificate, self.key, lambda request: ("reset", INTERNAL_ERROR))
        self.addCleanup(receiver.close)
        mx = self.server(self.to(receiver), "deliver = { ca_file = '%s', schedule = { '50ms' } }" % self.certificate)
        mx.send(harness.mail())
        self.assertIn("INTERNAL_ERROR", mx.wait_logged("undelivered", "attempt=3")[0])
        self.assertEqual(len(receiver.requests), 3)

    def test_a_goaway_after_an_answer_costs_nothing(self):
        receiver, mx = self.deliver(self.once(("goaway", None, 200)), count=1)
        self.assertEqual(len(receiver.requests), 1)
        mx.send(harness.mail())
        harness.wait_until(lambda: len(mx.logged("delivered")) == 2, "the second delivery")
        self.assertEqual((receiver.connections, mx.logged("retry")), (2, []))

    def test_a_goaway_among_many_loses_none(self):
        receiver, _ = self.deliver(self.once(("goaway", None, 200)))
        self.assertGreater(receiver.connections, 1)

    def test_what_a_goaway_did_not_take_is_sent_again(self):
        receiver, mx = self.deliver(self.once(("goaway", 0, None)), count=1)
        self.assertEqual(len(receiver.requests), 2)
        self.assertEqual(len({request.id for request in receiver.requests}), 1)
        self.assertEqual(receiver.connections, 2)

    def not_taken(self, what):
        """The receiver takes no request seven times, and then does; an attempt is none that it has not looked at."""
        answers = [what] * 7
        receiver = http2_receiver.Http2Receiver(self.certificate, self.key, lambda request: answers.pop() if answers else 200)
        self.addCleanup(receiver.close)
        mx = self.server(self.to(receiver), "deliver = { ca_file = '%s', attempts = 2, unreachable_schedule = { '50ms' } }"
                         % self.certificate)
        mx.send(harness.mail())
        mx.wait_logged("delivered", "attempt=1")
        self.assertEqual(len(receiver.requests), 8)
        retries = mx.logged("retry")
        self.assertGreaterEqual(len(retries), 2)  # each after two or three requests
        self.assertEqual(retries, mx.logged("retry", "attempt=0", "without a look at the request"))

    def test_streams_that_are_refused_cost_no_attempt(self):
        self.not_taken(("reset", REFUSED_STREAM))

    def test_goaways_that_take_nothing_cost_no_attempt(self):
        self.not_taken(("goaway", 0, None))

    def test_a_kept_connection_that_ends_costs_no_attempt(self):
        answers = [("close",), 200]
        receiver, mx = self.deliver(lambda request: answers.pop() if answers else 200, count=1)
        mx.send(harness.mail())
        harness.wait_until(lambda: len(mx.logged("delivered", "attempt=1")) == 2, "the second delivery")
        self.assertEqual((len(receiver.requests), receiver.connections), (3, 2))
        self.assertEqual((len(mx.logged("repeated")), mx.logged("retry")), (1, []))

    def test_a_connection_that_breaks_loses_none(self):
        receiver, _ = self.deliver(self.once(("close",)))
        self.assertGreater(receiver.connections, 1)

    def answered_early(self, status, reset, **named):
        """The receiver and the server, after a payload of more than a stream's window was sent."""
        receiver = http2_receiver.Http2Receiver(self.certificate, self.key, early=(status, reset), **named)
        self.addCleanup(receiver.close)
        mx = self.server(self.to(receiver), "deliver = { ca_file = '%s', attempts = 1, idle_timeout = '1s' }" % self.certificate)
        mx.send(harness.mail(text="long line\r\n" * 100000))
        return receiver, mx

    def test_an_early_yes_is_one_and_told(self):
        receiver, mx = self.answered_early(200, reset=True)
        mx.wait_logged("delivered", "status=200", "attempt=1")
        self.assertRegex(mx.logged("answered-early", "status=200")[0], r'how="answered 200 when \d+ of \d+ bytes were sent"')
        self.assertEqual(len(receiver.requests), 1)

    def test_an_early_no_is_an_answer(self):
        receiver, mx = self.answered_early(413, reset=True)
        mx.wait_logged("undelivered", "status=413", "answered 413: ok")
        self.assertEqual(len(receiver.requests), 1)

    def test_a_body_that_nobody_reads_is_bounded(self):
        """Whether the answer is complete can be known by its length only, while the stream is open."""
        _, mx = self.answered_early(200, reset=False)
        self.assertRegex(mx.wait_logged("undelivered")[0],
                         r"answered 200 when \d+ of \d+ bytes were sent: not delivered: no progress for 1 s .*idle_timeout")
        receiver, mx = self.answered_early(200, reset=False, headers=[("content-length", "2")])
        mx.wait_logged("delivered", "status=200", "attempt=1")
        self.assertRegex(mx.logged("answered-early")[0],
                         r"answered 200 when \d+ of \d+ bytes were sent: no progress for 1 s .*idle_timeout")
        self.assertEqual(len(receiver.requests), 1)


if __name__ == "__main__":
    unittest.main()
