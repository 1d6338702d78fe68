"""Receivers that die at a byte of the TLS handshake, of the request or of their answer, over HTTP/1.1 and HTTP/2 (faults.md).

A sample of bytes; MXHOOK_ALL=1 takes each. What became of each delivery is held against what its receiver knows to have
read and written."""

import os
import re
import shutil
import tempfile
import unittest

import dying_receiver
import harness
from dying_receiver import Cut

WAYS = ("fin", "close", "rst")
ALL = os.environ.get("MXHOOK_ALL")
AT_ONCE = 240
DESTINATIONS = 60  # of a message
CONFIG = """deliver = { ca_file = '%s', schedule = { '50ms' }, unreachable_schedule = { '50ms' }, attempts = 3,
                       max_in_flight = 400 }"""
NEVER = 10 ** 9


class Case:
    """A delivery, or two in turn (`kept`) of which the second finds the first one's connection, that is cut once."""

    def __init__(self, protocol, cut):
        self.protocol, self.cut, self.origin, self.log = protocol, cut, None, []

    def __repr__(self):
        return "%s, cut %s" % (self.protocol, self.cut)

    def attempts(self, event):
        return [int(re.search(r" attempt=(\d+)", line).group(1)) for line in self.log if line.split(" ")[2] == event]

    def fault(self):
        """What is wrong with what became of it, or None."""
        first = self.origin.connections[0]
        messages = 1 + self.cut.after
        was_cut = first.has_ended
        answered = len(first.answers_at) >= messages and first.answers_at[messages - 1] <= first.written
        retries, delivered = self.attempts("retry"), self.attempts("delivered")
        if len(delivered) != messages or self.attempts("undelivered"):
            return "delivered %d times" % len(delivered)
        whole = len(self.origin.whole)
        if not was_cut or answered:
            return None if whole == messages and not retries else "answered, but sent again"
        if self.cut.after:  # a kept one: again at once, unless an answer had begun
            limit = messages + (first.requests == messages)
            return None if whole == limit and len(retries) <= 1 else "%d requests, %d retries" % (whole, len(retries))
        if first.requests:  # sent, and not answered
            return None if (whole, retries, delivered) == (2, [1], [2]) else "retries %s, though it was sent" % retries
        if first.written < first.tls.flight or not first.tls.flight and self.protocol != "http":
            return None if (whole, retries, delivered) == (1, [0], [1]) else "retries %s, though it was not sent" % retries
        return None if whole == 1 and len(retries) == 1 else "%d requests, %d retries" % (whole, len(retries))


class Dying(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mxhook-dying-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.certificate, cls.key = harness.loopback_certificate(cls.folder)

    def deliver(self, cases, messages, dying=1):
        """One message after the other to all of them."""
        farms = {name: dying_receiver.Farm(name, self.certificate, self.key) for name in {case.protocol for case in cases}}
        for case in cases:
            case.origin = farms[case.protocol].add(case.cut, dying)
        urls = ["'%s'" % farms[case.protocol].url(case.origin) for case in cases]
        groups = [", ".join(urls[i:i + DESTINATIONS]) for i in range(0, len(urls), DESTINATIONS)]
        for farm in farms.values():
            farm.start()
            self.addCleanup(farm.stop)
        mx = self.server({"10.lua": "local to = { { %s } } return function(msg) return to[tonumber(msg.subject)] end"
                          % " }, { ".join(groups)}, CONFIG % self.certificate)
        for sent in range(1, messages + 1):
            for group in range(1, len(groups) + 1):
                mx.send(harness.mail(subject=str(group)))
            harness.wait_until(lambda: len(mx.logged("delivered")) + len(mx.logged("undelivered")) >= sent * len(cases), "all")
        by_port = {case.origin.port: case for case in cases}
        for line in mx.log().splitlines():
            if match := re.search(r" url=\S*?:(\d+)/", line):
                by_port[int(match.group(1))].log.append(line)
        self.assertEqual(mx.stop(), 0, mx.log())

    def sizes(self, protocol, after):
        """Bytes that a connection reads and writes that is not cut."""
        case = Case(protocol, Cut("in", NEVER, "fin", after))
        self.deliver([case], 1 + after)
        first = case.origin.connections[0]
        return {"in": first.counted["in"] or first.read, "out": first.written - (first.answers_at[0] if after else 0) + 2,
                "answer": 0 if protocol == "http" else 60}

    def check(self, cases, messages):
        faults = []
        for i in range(0, len(cases), AT_ONCE):
            self.deliver(cases[i:i + AT_ONCE], messages)
            faults += ["%r: %s\n%s" % (case, case.fault(), "\n".join(case.log))
                       for case in cases[i:i + AT_ONCE] if case.fault()]
        self.assertFalse(faults, "\n".join(faults[:20]) + "\n%d of %d" % (len(faults), len(cases)))

    def cases(self, after):
        """Each byte; or some of each part, in each way in turn."""
        for protocol in ("http", "https", "https-1.2", "h2"):
            if ALL:
                yield from (Case(protocol, Cut(where, at, how, after))
                            for where, size in self.sizes(protocol, after).items() for at in range(1, size) for how in WAYS)
            else:
                some = {"in": (1, 300, 610, 800, 1000), "out": (1, 7, 16, 37, 600, 1000, 1400), "answer": (1, 20, 50)}
                yield from (Case(protocol, Cut(where, at, WAYS[(i + len(protocol)) % 3], after))
                            for where in some for i, at in enumerate(some[where])
                            if not (where == "answer" and protocol == "http"))

    def test_a_new_connection_that_ends_at_a_byte(self):
        self.check(list(self.cases(0)), 1)

    def test_a_kept_connection_that_ends_at_a_byte(self):
        self.check(list(self.cases(1)), 2)

    def test_a_certificate_that_is_asked_for_in_vain_costs_no_attempt(self):
        """In TLS 1.3 the receiver says so when it has been sent the request, but has not read it."""
        cases = [Case(protocol, Cut("certificate", NEVER, "fin")) for protocol in ("https", "https-1.2")]
        self.deliver(cases, 1, dying=4)
        for case in cases:
            self.assertEqual((case.attempts("retry"), case.attempts("delivered")), ([0] * 4, [1]), case.log)
            self.assertEqual(len(case.origin.whole), 1)


if __name__ == "__main__":
    unittest.main()
