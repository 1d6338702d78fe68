"""history_test.py - what happened is kept, found and sent again; and its loss stops no mail."""

import json
import os
import re
import smtplib
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../auth"))

import material  # noqa: E402
import nameservers  # noqa: E402
from harness import Receiver, Server, mail, wait_until  # noqa: E402

RULES = """
local route = require "mxhook.route"
return {
  function(msg) if msg.envelope.recipient == "no@example.com" then return route.reject("no") end end,
  function(msg) return "%s/in?token=secret" end,
}
"""


class HistoryTest(unittest.TestCase):
    def serve(self, config="", answer=lambda post: 200, more=""):
        self.receiver = Receiver(answer)
        self.addCleanup(self.receiver.close)
        self.server = Server({"10.lua": RULES % self.receiver.url},
                             'history = { %s }\ndeliver = { attempts = 1 }\n%s' % (config, more))
        self.addCleanup(self.server.close)
        return self.server

    def history(self, *arguments):
        return self.server.command("history", *arguments)

    def find(self, *arguments):
        result = self.history("list", "--json", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["messages"]

    def wait_for(self, count, *arguments):
        def there():
            if not os.path.exists(self.server.folder + "/spool/history.db"):
                return None
            found = self.find(*arguments)
            return found if len(found) >= count else None
        return wait_until(there, "%d messages in the history" % count)

    def test_tells_a_message_s_story(self):
        server = self.serve("subjects = true")
        server.send(mail("An invoice"))
        message = self.wait_for(1, "--state", "delivered")[0]
        self.assertEqual((message["result"], message["sender"], message["subject"]),
                         ("accepted", "sender@client.test", "An invoice"))
        self.assertEqual(message["recipients"], [{"address": "hook@example.com", "verdict": "deliver",
                                                  "rule": "10.lua:5"}])
        delivery = message["deliveries"][0]
        self.assertEqual((delivery["state"], delivery["status"], delivery["attempts"], delivery["kept"]),
                         ("delivered", 200, 1, False))
        self.assertEqual(delivery["id"], self.receiver.posts[0].id)
        story = self.history("story", delivery["id"]).stdout
        for part in ("client       127.0.0.1", "10.lua:4", "no match", "10.lua:5", "250 2.0.0", "attempt 1"):
            self.assertIn(part, story)
        self.assertNotIn("secret", story)
        connection = message["id"].rsplit("-", 1)[0]
        self.assertIn("10.lua:5", self.history("story", connection).stdout)
        self.assertEqual(len(self.find("--subject", "invoi")), 1)
        self.assertEqual(len(self.find("--subject", "invoj")), 0)

    def test_tells_of_what_was_refused_and_what_failed(self):
        server = self.serve(answer=lambda post: 500)
        with self.assertRaises(smtplib.SMTPDataError):
            server.send(mail("x"), ["no@example.com"])
        server.send(mail("x"))
        failed = self.wait_for(1, "--state", "failed")
        self.assertEqual(failed[0]["deliveries"][0]["error"], "answered 500")
        self.assertIsNone(failed[0]["subject"])  # not kept by default
        refused = self.find("--result", "rejected")
        self.assertEqual(len(refused), 1)
        self.assertEqual(refused[0]["reply"], "550 5.7.1 no")
        self.assertEqual(len(self.find("--status", "500")), 1)

    def test_tells_of_what_was_refused_before_its_data(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.server = server = Server({"10.lua": "return alias { ['hook@example.com'] = '%s/' }" % self.receiver.url},
                                      "smtp = { max_size = 5000, max_recipients = 2 }\n")
        self.addCleanup(server.close)
        with server.smtp() as client:
            client.ehlo()
            client.mail("a@client.test", ["SIZE=5001"])
            client.mail("a@client.test")
            for address in ("nobody@example.com", "a@elsewhere.test", "hook@example.com", "hook+2@example.com",
                            "hook+3@example.com"):
                client.rcpt(address)
            self.assertEqual(client.data("x" * 6000)[0], 552)
        found = self.wait_for(5)
        self.assertEqual(
            sorted(("".join(each["address"] for each in m["recipients"]), m["result"], m["reply"][:9]) for m in found),
            [("", "rejected", "552 5.3.4"), ("a@elsewhere.test", "rejected", "550 5.7.1"),
             ("hook+3@example.com", "deferred", "452 4.5.3"), ("hook@example.comhook+2@example.com", "rejected", "552 5.3.4"),
             ("nobody@example.com", "rejected", "550 5.1.1")])
        self.assertEqual({m["sender"] for m in found}, {"a@client.test"})
        self.assertEqual(len(self.find("--recipient", "nobody@example.com")), 1)
        story = self.history("story", found[0]["id"].split("-")[0]).stdout
        for part in ("nobody@example.com", "550 5.1.1 No such recipient here", "552 5.3.4"):
            self.assertIn(part, story)

    def test_sends_again_with_the_same_id_or_a_new_one(self):
        server = self.serve('bodies = "all"')
        for number in range(3):
            server.send(mail("Number %d" % number))
        self.wait_for(3, "--state", "delivered")
        before = self.receiver.wait_for(3)[:]
        result = self.history("replay", "--since", "1h", "--rate", "1000")
        self.assertEqual(result.returncode, 0, result.stderr)
        again = self.receiver.posts[3:]
        self.assertEqual(sorted(p.id for p in again), sorted(p.id for p in before))
        self.assertEqual(sorted(p.body for p in again), sorted(p.body for p in before))
        self.assertEqual({p.path for p in again}, {"/in?token=secret"})
        result = self.history("replay", "--id", before[0].id.rsplit("-", 1)[0], "--new-id",
                              "--to", self.receiver.url + "/other")
        self.assertEqual(result.returncode, 0, result.stderr)
        last = self.receiver.posts[6]
        self.assertEqual((last.path, last.body), ("/other", before[0].body))
        self.assertNotIn(last.id, [p.id for p in before])
        self.assertEqual(len(self.receiver.posts), 7)

    def lines(self, *arguments, code=0):
        run = self.history("replay", "--json", *arguments)
        self.assertEqual(run.returncode, code, run.stderr)
        return [json.loads(line) for line in run.stdout.splitlines()]

    def test_a_replay_in_json(self):
        server = self.serve('bodies = "all"')
        server.send(mail("One"))
        post = self.receiver.wait_for(1)[0]
        self.wait_for(1, "--state", "delivered")
        self.assertEqual(self.lines("--since", "1h", "--dry-run"),
                         [{"id": post.id, "outcome": "would be sent", "status": 0, "ms": 0, "error": None}])
        self.assertEqual(self.lines("--state", "failed"), [])
        sent, = self.lines("--since", "1h")
        self.assertEqual((sent["id"], sent["outcome"], sent["status"], sent["error"]), (post.id, "delivered", 200, None))
        refused, = self.lines("--since", "1h", "--to", "http://127.0.0.1:1/", code=1)
        self.assertEqual((refused["outcome"], refused["status"]), ("failed", 0))
        self.assertIn("refused", refused["error"].lower())
        server.write_rule("05.lua", 'return function(msg) return "https://new.example/in?token=secret" end')
        self.assertEqual(self.lines("--since", "1h", "--through-rules", "--dry-run"),
                         [{"id": post.id.rsplit("-", 1)[0], "recipient": "hook@example.com", "verdict": "deliver",
                           "rule": "05.lua:1", "before": [self.receiver.url + "/in"],
                           "destinations": ["https://new.example/in"]}])
        self.assertEqual(self.history("payload", "--json", post.id).returncode, 2)

    def test_a_replay_leaves_out_what_its_filter_is_not_about(self):
        """Of a message with two deliveries: one arrived, one did not."""
        server = self.serve('bodies = "all"', answer=lambda post: 500 if post.path.startswith("/bad") else 200)
        server.write_rule("05.lua", 'return function(msg) return { "%s/good", "%s/bad" } end' % ((self.receiver.url,) * 2))
        server.reload()
        server.send(mail("Two"))
        self.wait_for(1, "--state", "failed")
        self.wait_for(1, "--state", "delivered")
        for filters, path in ((("--state", "failed"), "/bad"), (("--state", "delivered"), "/good"),
                              (("--status", "200"), "/good"), (("--destination", self.receiver.url + "/bad"), "/bad")):
            before = len(self.receiver.posts)
            self.history("replay", *filters)
            self.assertEqual([post.path for post in self.receiver.posts[before:]], [path], filters)

    def test_says_what_today_s_rules_would_do(self):
        server = self.serve('bodies = "all"')
        server.send(mail("To the old place"))
        server.send(mail("Moves"), ["moves@example.com"])
        self.wait_for(2, "--state", "delivered")
        server.write_rule("05.lua", 'return function(msg) if msg.envelope.recipient == "moves@example.com" then '
                                    'return "https://new.example/in" end end')
        result = self.history("replay", "--since", "1h", "--through-rules", "--dry-run")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("moves@example.com deliver by 05.lua:1", result.stdout)
        self.assertIn("  - %s/in\n  + https://new.example/in" % self.receiver.url, result.stdout)
        self.assertNotIn("hook@example.com", result.stdout)
        self.assertIn("1 would go elsewhere, 1 where they went", result.stderr)
        self.assertEqual(len(self.receiver.posts), 2)

    def but_auth(self, post):
        """Of what authentication found the history has results only, no reasons."""
        payload = post.json
        for name in ("Received-SPF", "Authentication-Results"):
            del payload["headers"][name]
        return payload

    def test_rules_see_what_authentication_found(self):
        nsd = nameservers.Nsd(material.zones())
        self.addCleanup(nsd.close)
        server = self.serve('bodies = "all"', more='dns = { resolvers = { "127.0.0.1:%d" } } auth = { timeout = "20s", '
                            'reverse_name = false }\n' % nsd.port)
        changed = material.sign(material.mail()).replace(b"morning", b"evening")
        server.send(changed, sender="ann@good.test")
        found = self.wait_for(1, "--state", "delivered")[0]["auth"]
        self.assertEqual(found, {"spf": "pass", "dkim": "fail", "dmarc": "pass"})
        server.write_rule("05.lua", """return function(msg)
            local auth = msg.auth
            if auth.spf.result == 'pass' and auth.dkim[1].result == 'fail' and auth.dmarc.result == 'pass' then
                return '%s/seen' end end""" % self.receiver.url)
        result = self.history("replay", "--since", "1h", "--through-rules")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual([post.path for post in self.receiver.posts], ["/in?token=secret", "/seen"])

    def test_sends_through_today_s_rules(self):
        server = self.serve('bodies = "all"')
        server.send(mail("One"), ["stays@example.com", "moves@example.com", "goes@example.com"])
        self.wait_for(1, "--state", "delivered")
        before = {post.json["headers"]["Delivered-To"]: post for post in self.receiver.wait_for(3)}
        elsewhere = Receiver()
        self.addCleanup(elsewhere.close)
        server.write_rule("05.lua", """return function(msg)
            if msg.envelope.recipient == 'moves@example.com' then return { '%s/a', '%s/b' } end
            if msg.envelope.recipient == 'goes@example.com' then return route.reject 'gone' end end"""
                          % (elsewhere.url, elsewhere.url))
        replay = ["replay", "--since", "1h", "--through-rules", "--rate", "1000"]
        result = self.history(*replay)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("goes@example.com not sent: reject by 05.lua:1", result.stdout)
        self.assertIn("3 found, 3 delivered, 1 not", result.stderr)
        stayed = self.receiver.posts[3]
        self.assertEqual(stayed.id, before["stays@example.com"].id)
        self.assertEqual(self.but_auth(stayed), self.but_auth(before["stays@example.com"]))
        moved = elsewhere.wait_for(2)[:]
        self.assertEqual({post.path for post in moved}, {"/a", "/b"})
        self.assertIn(before["moves@example.com"].id, [post.id for post in moved])
        for post in moved:
            self.assertEqual(self.but_auth(post), self.but_auth(before["moves@example.com"]))
        self.assertEqual(len({post.id for post in moved + list(before.values())}), 4)
        again = self.history(*replay, "--recipient", "moves@example.com")
        self.assertIn("1 found, 2 delivered, 0 not", again.stderr)
        self.assertEqual({(post.id, post.path) for post in elsewhere.posts[2:]}, {(post.id, post.path) for post in moved})
        new = self.history(*replay, "--recipient", "stays@example.com", "--new-id")
        self.assertEqual(new.returncode, 0, new.stderr)
        self.assertEqual(self.receiver.posts[4].body, stayed.body)
        self.assertNotIn(self.receiver.posts[4].id, [post.id for post in before.values()])
        self.assertEqual(len(self.receiver.posts), 5)
        self.assertEqual(self.history(*replay, "--to", elsewhere.url).returncode, 1)

    def test_keeps_the_payload_of_what_failed(self):
        answers = [500, 200]
        server = self.serve('bodies = "failed"', answer=lambda post: answers.pop(0) if answers else 200)
        server.send(mail("Fails"))
        failed = self.wait_for(1, "--state", "failed")[0]["deliveries"][0]
        server.send(mail("Arrives"))
        arrived = self.wait_for(1, "--state", "delivered")[0]["deliveries"][0]
        self.assertEqual((failed["kept"], arrived["kept"]), (True, False))
        payload = json.loads(self.history("payload", failed["id"]).stdout)
        self.assertEqual(payload["subject"], "Fails")
        self.assertEqual(self.history("payload", arrived["id"]).returncode, 1)
        self.assertEqual(self.history("replay", "--state", "failed").returncode, 0)
        self.assertEqual(self.receiver.posts[-1].json["subject"], "Fails")

    def test_pages_by_cursor(self):
        server = self.serve()
        for _ in range(5):
            server.send(mail())
        self.wait_for(5)
        seen, cursor = [], []
        while True:
            page = json.loads(self.history("list", "--json", "--limit", "2", *cursor).stdout)
            seen += [m["id"] for m in page["messages"]]
            if page["next"] is None:
                break
            cursor = ["--cursor", str(page["next"])]
        self.assertEqual(len(seen), 5)
        self.assertEqual(seen, sorted(seen, reverse=True))

    def test_mail_goes_on_without_it(self):
        server = self.serve()
        server.stop()
        path = server.folder + "/spool/history.db"
        for name in (path, path + "-wal", path + "-shm"):
            if os.path.exists(name):
                os.remove(name)
        os.mkdir(path)  # it cannot be opened
        server.start()
        server.send(mail())
        self.receiver.wait_for(1)
        self.assertTrue(server.logged("history-failed"))
        self.assertEqual(server.stop(), 0)

    def test_a_file_that_is_gone_is_begun_anew(self):
        server = self.serve()
        path = server.folder + "/spool/history.db"
        server.send(mail())
        self.wait_for(1)

        def there():
            list_ = self.history("list", "--json")  # it may be there, and not have its tables yet
            return list_.returncode == 0 and json.loads(list_.stdout)["messages"]

        for name in (path, path + "-wal", path + "-shm"):
            if os.path.exists(name):
                os.remove(name)
        server.send(mail())
        self.receiver.wait_for(2)
        self.assertEqual(len(wait_until(there, "a new history")), 1)
        self.assertTrue(server.logged("history-lost"))
        os.rename(path, path + ".moved")
        os.mkdir(path)  # no other can be made
        server.send(mail())
        self.receiver.wait_for(3)
        server.wait_logged("history-failed")
        os.rmdir(path)
        server.send(mail())
        server.wait_logged("history-recovered")
        self.assertTrue(wait_until(there, "a third one"))
        self.assertEqual(server.stop(), 0)

    def test_mail_goes_on_while_somebody_locks_it(self):
        server = self.serve()
        server.send(mail())
        self.wait_for(1)
        lock = sqlite3.connect(server.folder + "/spool/history.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        for _ in range(3):
            server.send(mail())
        self.receiver.wait_for(4)
        server.wait_logged("history-failed")
        lock.execute("ROLLBACK")
        server.send(mail())
        server.wait_logged("history-recovered")
        self.assertEqual(server.stop(), 0)

    def test_nothing_is_kept_where_keep_is_0(self):
        server = self.serve('keep = "0s"')
        server.send(mail())
        self.receiver.wait_for(1)
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(server.folder + "/spool/history.db"))
        self.assertEqual(self.history("list").returncode, 1)

    def printed(self, *arguments):
        """What is the same each time: ids, times and the port left out."""
        text = self.history(*arguments).stdout.replace(self.receiver.url, "URL")
        text = re.sub(r"20\d\d-\d\d-\d\dT[\d:]+Z", "TIME", re.sub(r"01[0-9a-hjkmnp-tv-z]{14}-1", "ID", text))
        return re.sub(r"ms=\d+", "ms=N", re.sub(r"in \d+ ms", "in N ms", text))

    def test_what_it_prints(self):
        server = self.serve('bodies = "all", subjects = true', answer=lambda post: 500 if b"bad" in post.body else 200)
        with self.assertRaises(smtplib.SMTPDataError):
            server.send(mail("x"), ["no@example.com"])
        server.send(mail("good One"), ["a@example.com", "b@example.com"])
        self.wait_for(1, "--state", "delivered")
        server.send(mail("bad"), sender="")
        failed = self.wait_for(1, "--state", "failed")[0]["id"]
        rejected, = self.find("--result", "rejected")
        lines = ["ID TIME accepted from=<> to=hook@example.com failed=1 subject=bad\n",
                 "ID TIME accepted from=sender@client.test to=a@example.com,b@example.com delivered=2 subject=good One\n",
                 "ID TIME rejected from=sender@client.test to=no@example.com reply=550 5.7.1 no subject=x\n"]
        wait_until(lambda: self.printed("list") == "".join(lines), "the ends of all attempts")
        self.assertEqual(self.printed("list", "--limit", "2"), "".join(lines[:2]) + "(more: --cursor 2)\n")
        self.assertEqual(self.printed("list", "--limit", "2", "--cursor", "2"), lines[2])
        self.assertEqual(self.printed("list", "--limit", "4"), "".join(lines))
        self.assertEqual(self.printed("show", failed), lines[0])
        head = "id           ID\ntime         TIME\nclient       127.0.0.1 helo=client.test tls=no protocol=smtp\n"
        self.assertEqual(self.printed("story", failed), head + """\
from         <>
subject      bad
message-id   one@client.test
size         %d
auth         spf=none dkim=none dmarc=none
to           hook@example.com
    10.lua:4                     no match
    10.lua:5                     URL/in?
  verdict    deliver
reply        250 2.0.0 Ok: queued as ID
delivery     ID-1 failed URL/in
    attempt 1 TIME status=500 ms=N answered 500
""" % self.find("--id", failed)[0]["size"])
        self.assertEqual(self.printed("story", rejected["id"]), head + """\
from         sender@client.test
subject      x
message-id   one@client.test
size         %d
auth         spf=none dkim=none dmarc=none
to           no@example.com
    10.lua:4                     reject: no
  verdict    reject
reply        550 5.7.1 no
""" % rejected["size"])
        self.assertEqual(self.printed("replay", "--since", "1h", "--dry-run"),
                         "ID-1 would be sent\nID-2 would be sent\nID-1 would be sent\n")
        self.assertEqual(sorted(self.printed("replay", "--since", "1h").splitlines()),  # as the answers come
                         ["ID-1 URL/in 200 in N ms", "ID-1 URL/in 500 in N ms", "ID-2 URL/in 200 in N ms"])
        run = self.history("replay", "--state", "failed")
        self.assertEqual((run.returncode, run.stderr), (1, "mxhook history: 1 found, 0 delivered, 1 not\n"))
        self.assertEqual(self.printed("replay", "--recipient", "B@example.com"), "ID-2 URL/in 200 in N ms\n")
        self.assertEqual(self.history("replay", "--sender", "nobody@x.test").stderr, "mxhook history: 0 found, 0 delivered, 0 not\n")

    def test_wrong_usage_is_told(self):
        self.serve()
        for option, least, most in (("--limit", 1, 10000), ("--rate", 1, 10000), ("--status", 1, 999), ("--cursor", 1, 2147483647)):
            for value, code in ((least - 1, 2), (least, 0), (most, 0), (most + 1, 2)):
                self.assertIn(self.history("list", option, str(value)).returncode, (code, code or 1), (option, value))
        for arguments in (["replay"], ["list", "--sender", ""], ["list", "--subject", "ab"],
                          ["list", "--since", "soon"], ["show"], ["list", "--status", "1000"]):
            self.assertEqual(self.history(*arguments).returncode, 2, arguments)
        self.assertEqual(self.history("show", "01k-1").returncode, 1)
        self.assertEqual(self.history("list", "--state", "dead").returncode, 1)


if __name__ == "__main__":
    unittest.main()
