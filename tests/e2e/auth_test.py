"""Authentication end to end: a real name server, a real client, and what a rule and a receiver see."""

import os
import sys
import threading
import unittest

import harness

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../auth"))

import nameservers  # noqa: E402
from material import mail, sign, zones  # noqa: E402

# Tells what it saw of msg.auth in a header.
SHOW = """return function(msg)
  local a, seen = msg.auth, {}
  if a.spf then
    seen[1] = "spf " .. a.spf.result .. " " .. tostring(a.spf.domain) .. " " .. tostring(a.spf.explanation)
    for i, s in ipairs(a.dkim) do
      seen[#seen + 1] = "dkim " .. s.result .. " " .. tostring(s.domain) .. " " .. tostring(s.selector)
    end
    seen[#seen + 1] = "dmarc " .. a.dmarc.result .. " " .. tostring(a.dmarc.domain) .. " " .. tostring(a.dmarc.policy)
  end
  msg.headers["X-Seen"] = table.concat(seen, "; ")
  return "%s/"
end"""


# Tells who the client is.
CLIENT = """return function(msg)
  local iprev, list = msg.auth.iprev, msg.auth.dnsbl["bl.test"]
  msg.headers["X-Seen"] = ("%%s %%s %%s"):format(msg.envelope.client_name, iprev.result,
    list and list.codes[1] .. " " .. list.reason)
  return "%s/"
end"""


def auth(port, more=""):
    return 'dns = { resolvers = { "127.0.0.1:%d" } } auth = { timeout = "20s", reverse_name = false, %s }\n' % (port, more)


class Auth(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        records = zones()
        records["explain.test"] = [
            ("@", nameservers.txt("v=spf1 -all exp=why.%{d}")),
            ("why", nameservers.txt("%{i} may not send for %{o}"))]
        cls.nsd = nameservers.Nsd(records)

    @classmethod
    def tearDownClass(cls):
        cls.nsd.close()

    def run_with(self, message, sender="ann@good.test", config=None):
        sink = self.receiver()
        mx = self.server({"show.lua": SHOW % sink.url}, config or auth(self.nsd.port))
        mx.send(message, sender=sender)
        post = sink.wait_for(1)[0]
        return post.json["headers"], mx

    def test_payload_and_rules_see_the_same(self):
        headers, mx = self.run_with(sign(mail()))
        self.assertEqual(headers["Received-SPF"], [
            "pass (mx.test: domain of good.test designates 127.0.0.1 as permitted sender) "
            "receiver=mx.test; client-ip=127.0.0.1; helo=client.test;"])
        value, = headers["Authentication-Results"]
        self.assertTrue(value.startswith(
            "mx.test; spf=pass (mx.test: domain of good.test designates 127.0.0.1 as permitted sender) "
            "smtp.mailfrom=good.test; dkim=pass header.d=good.test header.s=rsa "
            "header.a=rsa-sha256 header.b="), value)
        self.assertTrue(value.endswith("; dmarc=pass (p=reject) header.from=good.test"), value)
        self.assertEqual(headers["X-Seen"],
                         "spf pass good.test nil; dkim pass good.test rsa; dmarc pass good.test reject")
        self.assertTrue(mx.logged("auth", "spf=pass", "signatures=1", "dmarc=pass"))

    def test_forged_results_are_removed_and_others_kept(self):
        forged = ("Authentication-Results: mx.test; dkim=pass header.d=bank.test\r\n"
                  "Authentication-Results: MX.TEST 1; spf=pass\r\n"
                  "Authentication-Results: other.test; dkim=pass\r\n").encode()
        headers, _ = self.run_with(forged + mail())
        ours, other = headers["Authentication-Results"]
        self.assertTrue(ours.startswith("mx.test; spf=pass"), ours)
        self.assertNotIn("bank.test", ours)
        self.assertEqual(other, "other.test; dkim=pass")

    def test_explanation_of_a_fail(self):
        headers, _ = self.run_with(mail(), sender="a@explain.test")
        self.assertIn("spf fail explain.test 127.0.0.1 may not send for explain.test",
                      headers["X-Seen"])

    def test_nothing_is_refused_by_itself(self):
        headers, _ = self.run_with(mail("a@one.github.io"), sender="a@nodmarc.test")
        self.assertIn("dmarc fail one.github.io reject", headers["X-Seen"])

    def test_enforce_refuses_what_the_domain_asks_to_reject(self):
        sink = self.receiver()
        mx = self.server({"show.lua": SHOW % sink.url}, auth(self.nsd.port, "enforce = true"))
        with mx.smtp() as client:
            client.ehlo()
            for sender, message, code in (
                    ("a@nodmarc.test", mail("a@one.github.io"), 550),  # p=reject
                    ("a@nodmarc.test", mail("a@deep.good.test"), 250),  # sp=quarantine
                    ("a@nodmarc.test", mail("a@pct.test"), 250),  # pct=0
                    ("a@good.test", mail(), 250)):
                client.mail(sender)
                client.rcpt("hook@example.com")
                answer = client.data(message)
                self.assertEqual(answer[0], code, answer)
        self.assertTrue(mx.logged("refused", "5.7.1 Refused by the DMARC policy of one.github.io"))
        self.assertEqual(len(sink.wait_for(3)), 3)

    def test_off_says_none_and_why(self):
        headers, mx = self.run_with(sign(mail()), config=harness.NO_DNS)
        self.assertIn("none (mx.test: SPF is turned off)", headers["Received-SPF"][0])
        self.assertEqual(headers["Authentication-Results"], [
            "mx.test; spf=none (mx.test: SPF is turned off); dkim=none (DKIM is turned off); "
            "dmarc=none (DMARC is turned off)"])
        self.assertEqual(mx.logged("auth"), [])

    def client(self, more="", rules=CLIENT):
        """A server that knows its client, 127.0.0.1, by name and by list; and the receiver."""
        nsd = nameservers.Nsd({
            "0.0.127.in-addr.arpa": [("1", "PTR home.client.test.")],
            "client.test": [("home", "A 127.0.0.1")],
            "bl.test": [("1.0.0.127", "A 127.0.0.4"), ("1.0.0.127", nameservers.txt("seen in a trap"))]})
        self.addCleanup(nsd.close)
        sink = self.receiver()
        return self.server({"show.lua": rules % sink.url}, 'dns = { resolvers = { "127.0.0.1:%d" } } '
                           'auth = { timeout = "20s", %s }\n' % (nsd.port, more)), sink

    def test_the_client_has_a_name(self):
        mx, sink = self.client()
        mx.send(mail())
        headers = sink.wait_for(1)[0].json["headers"]
        self.assertEqual(headers["X-Seen"], "home.client.test pass nil")
        self.assertTrue(headers["Authentication-Results"][0].endswith(
            "; iprev=pass (home.client.test) policy.iprev=127.0.0.1"), headers)
        self.assertTrue(mx.logged("auth", "iprev=pass", "client_name=home.client.test"))

    def test_names_alone_are_logged_and_shown(self):
        mx, sink = self.client("spf = false, dkim = false, dmarc = false")
        mx.send(mail())
        self.assertEqual(sink.wait_for(1)[0].json["headers"]["X-Seen"], "home.client.test pass nil")
        line, = mx.logged("auth", "client_name=home.client.test")
        self.assertNotIn("spf=", line)

    def test_names_are_not_looked_up_where_that_is_off(self):
        mx, sink = self.client("reverse_name = false")
        mx.send(mail())
        headers = sink.wait_for(1)[0].json["headers"]
        self.assertEqual(headers["X-Seen"], "nil none nil")
        self.assertNotIn("iprev", headers["Authentication-Results"][0])

    def test_rules_see_blocklists(self):
        mx, sink = self.client('dnsbl = { "bl.test" }')
        mx.send(mail())
        self.assertEqual(sink.wait_for(1)[0].json["headers"]["X-Seen"],
                         "home.client.test pass 127.0.0.4 seen in a trap")
        self.assertTrue(mx.logged("auth", "dnsbl=bl.test"))

    def test_blocklists_can_refuse(self):
        mx, sink = self.client('dnsbl = { { zone = "bl.test", refuse = true } }')
        with mx.smtp() as client:
            client.ehlo()
            client.mail("a@good.test")
            client.rcpt("hook@example.com")
            self.assertEqual(client.data(mail()), (
                550, b"5.7.1 Your address 127.0.0.1 is listed by bl.test: seen in a trap"))
        self.assertTrue(mx.logged("refused", "is listed by bl.test"))
        mx.write("mxhook.lua", open(mx.config).read().replace("refuse = true", "refuse = false"))
        mx.reload()
        mx.send(mail())
        self.assertEqual(len(sink.wait_for(1)), 1)

    def test_spf_starts_at_mail(self):
        server = nameservers.FaultyServer(lambda name, kind: 3)
        self.addCleanup(server.close)
        sink = self.receiver()
        mx = self.server({"show.lua": SHOW % sink.url}, auth(server.port))
        with mx.smtp() as client:
            client.ehlo()
            client.mail("a@early.test")
            harness.wait_until(lambda: ("early.test", 16) in server.questions, "SPF's question")
            client.rset()

    def test_silent_resolvers_hold_up_only_who_needs_them(self):
        """Messages that wait for DNS hold no worker: others pass meanwhile."""
        def answer(name, kind):
            return None if "slow" in name else 3
        server = nameservers.FaultyServer(answer)
        self.addCleanup(server.close)
        sink = self.receiver()
        mx = self.server({"show.lua": SHOW % sink.url},
                         'rules = { workers = 1 } dns = { resolvers = { "127.0.0.1:%d" }, '
                         'query_timeout = "15s" } auth = { timeout = "15s" }\n' % server.port)
        waiting = [threading.Thread(target=mx.send, args=(mail("a@slow%d.test" % i),),
                                    kwargs={"sender": "a@slow%d.test" % i}) for i in range(5)]
        for thread in waiting:
            thread.start()
        harness.wait_until(lambda: sum(name.startswith("slow") for name, _ in server.questions) >= 5,
                           "five messages that wait")
        for i in range(20):
            mx.send(mail("a@fast%d.test" % i), sender="a@fast%d.test" % i)
        self.assertTrue(any(thread.is_alive() for thread in waiting), "the fast ones waited for the slow ones")
        for thread in waiting:
            thread.join(60)
        seen = [post.json["headers"]["X-Seen"] for post in sink.wait_for(25)]
        self.assertEqual(sum("spf temperror" in value for value in seen), 5, seen)
        self.assertEqual(sum("spf none" in value for value in seen), 20, seen)

    def test_dead_resolvers_open_the_breaker(self):
        sink = self.receiver()
        mx = self.server({"show.lua": SHOW % sink.url},
                         'dns = { resolvers = { "127.0.0.1:%d" }, query_timeout = "50ms" } '
                         'auth = { timeout = "20s" }\n' % nameservers.free_port())
        for i in range(8):
            mx.send(mail("a@n%d.test" % i), sender="a@n%d.test" % i)
        mx.wait_logged("dns", "no answer")
        mx.send(mail("a@last.test"), sender="a@last.test")
        seen = [post.json["headers"]["X-Seen"] for post in sink.wait_for(9)]
        self.assertTrue(all("spf temperror" in value and "dmarc temperror" in value
                            for value in seen), seen)

    def test_resolvers_that_come_back(self):
        alive = []
        server = nameservers.FaultyServer(lambda name, kind: 3 if alive else None)
        self.addCleanup(server.close)
        sink = self.receiver()
        mx = self.server({"show.lua": SHOW % sink.url},
                         'dns = { resolvers = { "127.0.0.1:%d" }, query_timeout = "50ms" } '
                         'auth = { timeout = "20s" }\n' % server.port)
        for i in range(8):
            mx.send(mail("a@n%d.test" % i), sender="a@n%d.test" % i)
        mx.wait_logged("dns", "no answer")
        alive.append(True)
        mx.wait_logged("dns", "answer again")
        mx.send(mail("a@last.test"), sender="a@last.test")
        self.assertIn("spf none", sink.wait_for(9)[8].json["headers"]["X-Seen"])

    def test_a_stop_waits_for_no_look_up(self):
        server = nameservers.FaultyServer()
        self.addCleanup(server.close)
        sink = self.receiver()
        mx = self.server({"show.lua": SHOW % sink.url}, auth(server.port))
        client = mx.smtp()
        client.ehlo()
        client.mail("a@early.test")
        harness.wait_until(lambda: server.questions, "SPF's question")
        self.assertEqual(mx.stop(), 0, mx.log())
        client.close()

    def test_a_client_that_goes_away_meanwhile(self):
        server = nameservers.FaultyServer()
        self.addCleanup(server.close)
        sink = self.receiver()
        mx = self.server({"show.lua": SHOW % sink.url},
                         'dns = { resolvers = { "127.0.0.1:%d" }, query_timeout = "200ms" } '
                         'auth = { timeout = "600ms" }\n' % server.port)
        client = mx.smtp()
        client.ehlo()
        client.mail("a@early.test")
        client.rcpt("hook@example.com")
        client.docmd("DATA")
        client.sock.sendall(mail() + b"\r\n.\r\n")
        client.close()
        self.assertIn("spf temperror", sink.wait_for(1)[0].json["headers"]["X-Seen"])


if __name__ == "__main__":
    unittest.main()
