"""admin_test.py - health, metrics, the API, who may do what, and what is refused."""

import json
import os
import smtplib
import subprocess
import time
import unittest

from admin import RULES, AdminCase, Unix
from harness import Receiver, Server, mail, wait_until, MXHOOK

HASH = subprocess.run(["openssl", "passwd", "-6", "sesame"], capture_output=True, text=True).stdout.strip()


class AdminTest(AdminCase):
    # ---- Pauses

    def test_a_destination_is_paused_and_resumed(self):
        self.serve(more='deliver = { schedule = { "100ms" } }')
        body = {"url": self.receiver.url + "/in?x=1", "reason": "moves"}
        paused = self.json("/api/v1/destinations/pause", body)
        self.assertEqual([paused[key] for key in ("destination", "scope", "reason", "waiting")],
                         [self.receiver.url + "/in", "url", "moves", 0])
        self.server.wait_logged("destination-paused", "reason=moves")
        self.server.send(mail("waits"))
        self.assertEqual(self.json("/api/v1/status")["paused"][0]["waiting"], 1)
        self.assertIn("paused       " + self.receiver.url, self.server.command("status").stdout)
        self.json("/api/v1/destinations/pause", {"url": self.receiver.url, "scope": "origin"})
        shown = self.json("/api/v1/destinations")
        self.assertEqual((shown["destinations"][0]["paused"], len(shown["paused"])), (True, 2))
        self.assertIn("action=pause", self.server.log())
        for bad, status in (({}, 400), ({"url": "x"}, 400), ({"url": body["url"], "scope": "all"}, 400),
                            ({"url": 7}, 400), ([], 400), ({"url": body["url"], "reason": "x" * 256}, 400)):
            self.assertEqual(self.ask("/api/v1/destinations/pause", bad)[0], status, bad)
        self.assertEqual(self.ask("/api/v1/destinations/resume", {"url": "https://other.example/"})[0], 404)
        self.assertEqual(self.receiver.posts, [])
        self.json("/api/v1/destinations/resume", body)
        self.json("/api/v1/destinations/resume", {"url": self.receiver.url, "scope": "origin"})
        self.receiver.wait_for(1)

    # ---- Health and metrics

    def test_is_alive_and_ready(self):
        self.serve()
        self.assertEqual(self.ask("/livez"), (200, "ok\n"))
        self.assertEqual(self.ask("/healthz"), (200, "ok\n"))
        ready = self.json("/readyz")
        self.assertTrue(ready["ready"])
        self.assertEqual(self.server.command("health").stdout, "ok\n")

    def test_is_not_ready_without_room(self):
        self.serve(more='spool = { directory = "spool", min_free = 2 ^ 49 }')
        def full():
            status, text = self.ask("/readyz")
            return status == 503 and json.loads(text)
        checks = wait_until(full, "readyz to be 503")["checks"]
        self.assertFalse(checks["spool"]["ok"])
        self.assertTrue(checks["loop"]["ok"])
        metrics = self.ask("/metrics")[1]
        self.assertIn("\nmxhook_ready 0\n", metrics) # the alert goes by it
        self.assertIn("\nmxhook_listening 1\n", metrics)
        result = self.server.command("health")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"spool: no room for new mail: \d+ MB of the disk are free, and spool.min_free is 562949953 MB")

    def test_a_dead_destination_leaves_it_ready(self):
        self.serve(answer=lambda post: 500)
        self.server.send(mail())
        self.receiver.wait_for(1)
        self.assertTrue(self.json("/readyz")["ready"])

    # ---- Who may

    def test_roles(self):
        self.serve('''users = { eve = { role = "view", password = "%s" }, rita = { role = "read", password = "%s" },
                      olga = { role = "operate", password = "%s" } }''' % (HASH, HASH, HASH))
        self.server.send(mail("A secret subject"))
        message = self.wait_delivered()
        page = {"Sec-Fetch-Site": "same-origin"}
        self.assertEqual(self.ask("/api/v1/status", unix=False)[0], 401)
        self.assertEqual(self.ask("/livez", unix=False)[0], 200)
        self.assertEqual(self.ask("/metrics", unix=False)[0], 401)
        payload = "/api/v1/payload?id=" + message["deliveries"][0]["id"]
        for user, may_read, may_change in [("eve", 403, 403), ("rita", 200, 403), ("olga", 200, 200)]:
            status, text = self.ask("/api/v1/login", {"user": user, "password": "sesame"}, page, unix=False)
            self.assertEqual(status, 200, text)
            cookie = self.headers["Set-Cookie"]
            self.assertRegex(cookie, r"^mxhook=[0-9a-f]{32}; Path=/; HttpOnly; SameSite=Strict$")
            headers = {**page, "Cookie": cookie.split(";")[0]}
            self.assertEqual(self.ask(payload, headers=headers, unix=False)[0], may_read, user)
            self.assertEqual(self.ask("/api/v1/reload", {}, headers, unix=False)[0], may_change, user)
            history = self.ask("/api/v1/history", headers=headers, unix=False)[1]
            self.assertEqual("A secret subject" in history, may_read == 200)
            self.assertEqual(self.ask("/api/v1/logout", {}, headers, unix=False)[0], 200)
            self.assertEqual(self.ask("/api/v1/status", headers=headers, unix=False)[0], 401)
        self.assertTrue(self.server.logged("admin", "who=olga", "action=reload", "from=127.0.0.1"))

    def test_wrong_passwords_cost_time(self):
        self.serve('users = { olga = { role = "operate", password = "%s" } }' % HASH)
        page = {"Sec-Fetch-Site": "same-origin"}
        login = lambda password, user="olga": self.ask("/api/v1/login", {"user": user, "password": password}, page, unix=False)[0]
        self.assertEqual(login("sesame"), 200)
        self.assertEqual([login("wrong"), login("", "nobody"), login("x"), login("y"), login("z")], [401] * 5)
        self.assertEqual(login("sesame"), 429)
        self.assertEqual(self.ask("/livez", unix=False)[0], 200)

    def test_who_may_connect_where(self):
        self.serve()
        self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o660)
        self.assertEqual(self.server.stop(), 0)
        self.assertFalse(os.path.exists(self.socket))
        for wrong, why in (('listen = { "0.0.0.0:0" }', "admin.listen: others can reach 0.0.0.0: it needs admin.users or admin.tokens"),
                           ('listen = { %s }' % ", ".join('"127.0.0.1:%d"' % n for n in range(9)), "admin.listen: 8 addresses at most"),
                           ('hosts = { "mx.test", "*.example.com" }', "admin.hosts: expected a domain"),
                           ('hosts = { "mx.test:80" }', "admin.hosts: expected a domain"),
                           ('users = { a = { role = "admin", password = "%s" } }' % HASH, 'admin.users: the role of a is "view", "read" or "operate"'),
                           ('users = { a = { role = "view", password = "plain" } }', "admin.users: a: the password is not a hash"),
                           ('tokens = { a = { role = "view", token = "123456789012345" } }', "admin.tokens: a: the token has fewer than 16 characters")):
            with open(self.server.config, "a") as file:
                file.write("admin = { %s }\n" % wrong)
            result = self.server.command("check")
            self.assertEqual(result.returncode, 1)
            self.assertIn(why, result.stderr)
        with open(self.server.config, "a") as file:
            file.write('admin = { listen = { %s }, tokens = { a = { role = "view", token = "1234567890123456" } } }\n' % ", ".join('"127.0.0.1:%d"' % n for n in range(8)))
        self.assertEqual(self.server.command("check").returncode, 0)

    # ---- What it tells and does

    def test_history_and_story(self):
        self.serve()
        self.server.send(mail("Found by this"))
        message = self.wait_delivered()
        found = self.json("/api/v1/history?subject=by%20this")["messages"]
        self.assertEqual([m["id"] for m in found], [message["id"]])
        self.assertEqual(self.json("/api/v1/history?subject=by%20that")["messages"], [])
        story = self.json("/api/v1/story?id=" + message["deliveries"][0]["id"])["messages"][0]
        self.assertEqual(story["recipients"][0]["asked"][0]["rule"], "10.lua:1")
        self.assertEqual(story["deliveries"][0]["made"][0]["status"], 200)
        self.assertEqual(json.loads(self.ask("/api/v1/payload?id=" + message["deliveries"][0]["id"])[1])["subject"], "Found by this")
        self.assertIn("Subject: Found by this", self.ask("/api/v1/message?id=" + message["id"])[1])
        self.assertIn("attachment", self.headers["Content-Disposition"])
        for path in ("/api/v1/history?limit=0", "/api/v1/history?limit=501", "/api/v1/history?since=x",
                     "/api/v1/history?state=dead", "/api/v1/history?subject=ab", "/api/v1/story"):
            self.assertEqual(self.ask(path)[0], 400, path)
        self.assertEqual(self.ask("/api/v1/story?id=01knothing-1")[0], 404)
        origin, = self.json("/api/v1/destinations")["destinations"]
        self.assertEqual((origin["last_status"], origin["last_error"]), (200, None))
        self.assertGreaterEqual(origin["latency_ms"], 0)

    def test_each_attempt_is_a_span_of_the_message_s_trace(self):
        answers = [500, 200]
        self.serve(answer=lambda post: answers.pop(0) if answers else 200, more='deliver = { attempts = 2, schedule = { "10ms" } }')
        self.server.send(mail("one"))
        first, second = [p.headers["traceparent"] for p in self.receiver.wait_for(2)]
        self.assertRegex(first, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertEqual(first[:36], second[:36])
        self.assertNotEqual(first, second)
        self.server.send(mail("two"))
        self.assertNotEqual(self.receiver.wait_for(3)[2].headers["traceparent"][:36], first[:36])

    def test_failures_are_grouped_and_retried_as_they_were_shown(self):
        answers = {"b": 500}
        self.serve(answer=lambda post: answers.get("b", 200))
        self.server.send(mail("one"))
        self.server.send(mail("two"))
        self.wait_delivered("failed", 2)
        shown = wait_until(lambda: [g for g in [self.json("/api/v1/failures")] if g["count"] == 2], "2 failed")[0]
        self.assertEqual(len(shown["groups"]), 1)
        group = shown["groups"][0]
        self.assertEqual((group["count"], group["status"], group["reason"]), (2, 500, "answered 500"))
        self.server.send(mail("three"))  # fails after it was shown
        self.wait_delivered("failed", 3)
        answers.clear()
        job = self.json("/api/v1/queue/retry", {"snapshot": shown["snapshot"], "group": 0})
        self.assertEqual(job["count"], 2)
        self.receiver.wait_for(5)
        wait_until(lambda: self.json("/api/v1/jobs")["jobs"][-1]["ended"], "the end of the job")
        time.sleep(0.5)
        self.assertEqual(len(self.receiver.posts), 5)
        self.assertEqual(self.json("/api/v1/failures")["count"], 1)
        for wrong in ({"snapshot": 999}, {"group": 1}, {"group": -1}, {"group": 0.5}, {"group": 1e300}, {"group": "0"}, {"group": None}, {"snapshot": -1e300}):
            self.assertEqual(self.ask("/api/v1/queue/retry", {"snapshot": shown["snapshot"], "group": 0, **wrong})[0], 409, wrong)

    def test_a_drop_can_be_cancelled(self):
        self.serve(answer=lambda post: 500)
        self.server.send(mail("one"))
        self.wait_delivered("failed")
        shown = wait_until(lambda: [g for g in [self.json("/api/v1/failures")] if g["count"] == 1], "1 failed")[0]
        job = self.json("/api/v1/queue/drop", {"snapshot": shown["snapshot"], "group": 0})
        self.assertGreater(job["begins_in_ms"], 0)
        self.assertTrue(self.json("/api/v1/jobs/cancel", {"job": job["job"]})["cancelled"])
        self.assertEqual(self.json("/api/v1/failures")["count"], 1)
        self.assertEqual(self.ask("/api/v1/jobs/cancel", {"job": job["job"]})[0], 409)

    def test_queue_pages_by_cursor(self):
        self.serve(answer=lambda post: 500)
        for number in range(5):
            self.server.send(mail(str(number)))
        self.wait_delivered("failed", 5)
        wait_until(lambda: self.json("/api/v1/failures")["count"] == 5, "5 failed")
        seen, cursor = [], ""
        while cursor is not None:
            page = self.json("/api/v1/queue?state=failed&limit=2" + (cursor and "&cursor=%d" % cursor))
            seen += [d["id"] for d in page["deliveries"]]
            cursor = page["next"]
            if len(seen) == 2:  # the one that the cursor stands at is dropped by somebody else
                self.assertEqual(self.server.command("queue", "drop", "--yes", seen[1]).returncode, 0)
        self.assertEqual((len(seen), len(set(seen))), (5, 5))
        for asked, found in [("destination=%s/in" % self.receiver.url, 4), ("destination=" + self.receiver.url, 0), ("prefix=" + self.receiver.url, 4),
                             ("host=127.0.0.1", 4), ("host=127.0.0.2", 0), ("recipient=HOOK@example.com", 4), ("recipient=@example.com", 0),
                             ("sender=sender@client.test", 4), ("sender=x", 0), ("error=ANSWERED", 4), ("error=refused", 0), ("status=500", 4),
                             ("status=0", 0), ("since=1", 4), ("until=1", 0), ("until=%d" % (2 ** 42), 4), ("since=%d" % (2 ** 42), 0)]:
            self.assertEqual(len(self.json("/api/v1/queue?" + asked)["deliveries"]), found, asked)
        for wrong in ("status=1000", "status=-1", "status=x", "cursor=0", "cursor=x", "cursor=9223372036854775808", "until=0", "state=waiting", "limit=0", "limit=501"):
            self.assertEqual(self.ask("/api/v1/queue?" + wrong)[0], 400, wrong)
        self.assertEqual(self.json("/api/v1/delivery?id=" + seen[0])["status"], 500)
        self.assertEqual(self.ask("/api/v1/delivery?id=nothing")[0], 404)

    def test_reload_tells_what_is_wrong(self):
        self.serve()
        self.assertEqual(self.server.command("reload").returncode, 0)
        self.server.write_rule("20-bad.lua", "return {")
        result = self.server.command("reload")
        self.assertEqual(result.returncode, 1)
        self.assertIn("20-bad.lua:1", result.stderr)
        status = self.json("/api/v1/status")
        self.assertFalse(status["reload"]["ok"])
        self.assertIn("20-bad.lua:1", status["reload"]["text"])
        self.assertIn("reload       FAILED", self.server.command("status").stdout)
        self.assertIn("\nmxhook_config_last_reload_successful 0\n", self.ask("/metrics")[1])
        os.remove(self.server.folder + "/rules.d/20-bad.lua")
        self.assertEqual(self.server.command("reload").returncode, 0)
        self.assertIn("is taken in", self.server.command("status").stdout)

    def test_test_sends_a_message_through_the_rules(self):
        self.serve()
        answer = self.json("/api/v1/test", {"recipient": "hook@example.com"})
        self.assertRegex(answer["reply"], "^250 ")
        post = self.receiver.wait_for(1)[0]
        self.assertEqual(post.json["subject"], "A test message from mxhook")
        self.assertTrue(post.id.startswith(answer["id"]))
        for wrong in ("", "nobody", "a@b\r\nX: y", "x" * 300 + "@example.com"):
            self.assertEqual(self.ask("/api/v1/test", {"recipient": wrong})[0], 400)

    def test_playground_tries_a_rule_that_is_not_saved(self):
        self.serve()
        message = mail("VIP").decode()
        now = self.json("/api/v1/playground", {"message": message})
        self.assertEqual(now["destinations"], [self.receiver.url + "/in"])
        tried = self.json("/api/v1/playground", {"message": message, "file": "05-new.lua",
                          "text": 'return function(msg) if msg.subject == "VIP" then return "https://vip.example/" end end'})
        self.assertEqual((tried["rule"], tried["destinations"]), ("05-new.lua:1", ["https://vip.example/"]))
        self.assertEqual(sorted(os.listdir(self.server.folder + "/rules.d")), ["10.lua"])
        status, text = self.ask("/api/v1/playground", {"message": message, "file": "x.lua", "text": "return {"})
        self.assertEqual(status, 422)
        self.assertIn("x.lua:1", text)
        self.assertNotIn("/", json.loads(text)["error"].split(":")[0])  # the copy's folder is nobody's business
        for name in ("../x.lua", "x", "x.txt", ".lua", ".x.lua", "x.lua\0", "x/y.lua", "x" * 196 + ".lua"):
            self.assertEqual(self.ask("/api/v1/playground", {"message": message, "file": name, "text": "return {}"})[0], 400, name)
        status, text = self.ask("/api/v1/playground", {"message": message, "file": "x.lua", "text": 'return os.execute("id")'})
        self.assertEqual(status, 422)
        self.assertEqual([n for n in os.listdir(self.server.folder + "/spool") if n.startswith("playground")], [])
        for wrong in ("[1", "[]]", "1", "null", {"message": 7}, {"message": message, "file": 7}, {"message": message, "recipient": ["a@b.c"]},
                      {"message": message, "sender": "a@b.c\0"}, {"message": {}}, {"message": message, "text": True}, "[" * 100000):
            self.assertEqual(self.ask("/api/v1/playground", wrong)[0], 400, wrong)
        # What stands behind a NUL is not lost.
        nul = self.json("/api/v1/playground", {"message": message + "\0 and more", "file": "05.lua",
                        "text": 'return function(msg) return require("mxhook.route").reject(msg.text:find("and more") and "whole" or "cut") end'})
        self.assertIn("whole", nul["text"])
        self.assertEqual(self.ask("/api/v1/playground", {"message": message, "file": "x.lua", "text": "return {}\0("})[0], 422)

    def test_a_rule_that_fails_in_the_playground_says_where(self):
        self.serve()
        tried = self.json("/api/v1/playground", {"message": mail().decode(), "file": "05.lua", "text": "return function(msg)\nerror('not this one') end"})
        self.assertEqual(tried["code"], 451)
        self.assertEqual(tried["steps"], [{"rule": "05.lua:1", "answer": "error: 05.lua:2: not this one"}])
        self.assertNotIn("mxhook_rule_errors_total{", self.ask("/metrics")[1])  # it is no fault of the server's rules
        self.assertNotIn("rule-failed", self.server.log())
        self.assertEqual(self.json("/api/v1/status")["failing_rules"], [])

    def test_a_rule_that_fails_is_named(self):
        self.serve()
        self.server.write_rule("05-vip.lua", "return function(msg)\nerror('no such customer') end")
        self.assertEqual(self.server.command("reload").returncode, 0)
        with self.assertRaises(smtplib.SMTPDataError):
            self.server.send(mail())
        status = self.json("/api/v1/status")
        self.assertEqual((status["rule_errors"], status["failing_rules"]), (1, [{"file": "05-vip.lua", "errors": 1}]))
        self.assertIn("rule failing 05-vip.lua errors: 1\n", self.server.command("status").stdout)

    def test_what_was_refused_at_rcpt_is_found(self):
        self.serve()
        with self.server.smtp() as client, self.assertRaises(smtplib.SMTPRecipientsRefused):
            client.sendmail("ann@client.test", ["nobody@elsewhere.example"], mail())
        found = wait_until(lambda: self.json("/api/v1/history?recipient=nobody@elsewhere.example")["messages"], "the refusal")
        self.assertEqual([(m["result"], m["reply"][:9], m["deliveries"]) for m in found], [("rejected", "550 5.7.1", [])])
        story = self.json("/api/v1/story?id=" + found[0]["id"])["messages"]
        self.assertEqual([m["recipients"][0]["address"] for m in story], ["nobody@elsewhere.example"])

    def test_a_url_that_is_held_is_told(self):
        self.serve(answer=lambda post: 503, more='deliver = { breaker_failures = 3, breaker_pause = "60s", schedule = { "1h" } }')
        for number in range(4):
            self.server.send(mail(str(number)))
        held = wait_until(lambda: self.json("/api/v1/status")["held"], "a URL to be held")
        self.assertEqual([(one["origin"], one["scope"], one["urls"], one["waiting"]) for one in held], [(self.receiver.url, "url", 1, 4)])
        self.assertGreaterEqual(held[0]["failures"], 3)
        self.assertRegex(self.server.command("status").stdout, "held +%s until .* waiting: 4 URLs held: 1\n" % self.receiver.url)
        self.assertEqual(self.json("/api/v1/destinations")["destinations"][0]["held_urls"], 1)
        metric = '\nmxhook_origin_held{origin="%s"} 1\n' % self.receiver.url
        wait_until(lambda: metric in self.ask("/metrics")[1], "the metric")  # the spool is looked at no more often than it is cheap

    def test_what_if_tells_what_would_go_elsewhere(self):
        self.serve()
        for subject in ("VIP one", "two", "VIP three"):
            self.server.send(mail(subject))
        self.wait_delivered(count=3)
        rule = {"file": "05.lua", "text": 'return function(msg) if msg.subject:find("VIP") then return "https://vip.example/x?secret=1" end end'}
        found = self.json("/api/v1/whatif", rule)
        self.assertEqual([found[key] for key in ("messages", "recipients", "different", "not_kept", "cut")], [3, 3, 2, 0, False])
        self.assertEqual(sorted(one["subject"] for one in found["list"]), ["VIP one", "VIP three"])
        self.assertEqual([(one["before"], one["after"], one["rule"]) for one in found["list"]],
                         [([self.receiver.url + "/in"], ["https://vip.example/x"], "05.lua:1")] * 2)
        self.assertEqual(self.json("/api/v1/whatif", {})["different"], 0)
        self.assertEqual(self.json("/api/v1/whatif", {**rule, "limit": 1})["messages"], 1)
        for wrong in ({"limit": 0}, {"limit": 20001}, {"limit": 1.5}, {"limit": "1"}, {"limit": 1e300}, {"since": -1}, {"since": 1e19}, {"since": True},
                      {"file": "../x"}):
            self.assertEqual(self.ask("/api/v1/whatif", {**rule, **wrong})[0], 400, wrong)
        self.assertEqual(self.ask("/api/v1/whatif", {**rule, "text": "return {"})[0], 422)
        self.assertEqual(len(self.receiver.posts), 3)

    def test_a_delivery_is_sent_again_elsewhere(self):
        answers = [500]
        self.serve(answer=lambda post: answers.pop() if answers else 200)
        self.server.send(mail("fails"))
        failed = self.wait_delivered("failed")["deliveries"][0]["id"]
        self.server.send(mail("large", text="y" * 300000))  # kept in a file
        delivered = self.wait_delivered()["deliveries"][0]["id"]
        for number, (id, url) in enumerate([(failed, None), (failed, "/other"), (delivered, None), (delivered, "/other?key=1")]):
            first = [post for post in self.receiver.posts if post.id == id][0]
            sent = self.json("/api/v1/resend", {"id": id, **({"url": self.receiver.url + url} if url else {})})
            post = self.receiver.wait_for(3 + number)[2 + number]
            self.assertEqual((post.id, post.path, post.body), (sent["id"], url or "/in", first.body))
        found = wait_until(lambda: [m for m in self.json("/api/v1/history?state=delivered")["messages"] if m["deliveries"][0]["id"] == sent["id"]], "its story")[0]
        self.assertEqual(found["reply"], "250 sent again: %s, by unix" % delivered)
        for body, status in (({}, 400), ({"id": "01nothing-1-1"}, 404), ({"id": "x" * 60}, 400), ({"id": failed, "url": "file:///etc/passwd"}, 400),
                             ({"id": failed, "url": "https://"}, 400), ({"id": failed, "url": "boss@example.com"}, 400)):
            self.assertEqual(self.ask("/api/v1/resend", body)[0], status, body)
        self.assertEqual(len(self.receiver.posts), 6)

    def test_set_up_asks_dns(self):
        self.serve(more='dns = { resolvers = { "127.0.0.1:1" } }')
        records = self.json("/api/v1/setup/dns")["records"]
        self.assertEqual([(one["name"], one["type"], one["ok"], one["now"]) for one in records],
                         [("mx.test", "A", False, "no answer"), ("mx.test", "AAAA", False, "no answer"), ("example.com", "MX", False, "no answer")])

    def test_watchers_see_mail_as_it_comes(self):
        self.serve()
        watcher = Unix(self.socket)
        watcher.request("GET", "/api/v1/events")
        stream = watcher.getresponse()
        self.assertEqual(stream.getheader("Content-Type"), "text/event-stream")
        line = stream.readline()
        while not line.startswith(b"event: figures"):
            line = stream.readline()
        self.server.send(mail("Live"))
        while not line.startswith(b"event: message"):
            line = stream.readline()
        self.assertEqual(json.loads(stream.readline()[6:])["subject"], "Live")
        self.assertEqual(self.server.stop(), 0)  # while it watches
        watcher.close()

    def test_rules_destinations_setup(self):
        self.serve(answer=lambda post: 503)
        self.server.send(mail())
        self.receiver.wait_for(1)
        rules = self.json("/api/v1/rules")["files"]
        self.assertEqual([f["name"] for f in rules], ["10.lua"])
        self.assertIn("return function", rules[0]["text"])
        self.assertEqual(rules[0]["answered"], 1)
        self.json("/api/v1/destinations")
        steps = {s["name"]: s["ok"] for s in self.json("/api/v1/setup")["steps"]}
        self.assertFalse(steps["Domains"])  # example.com
        self.assertTrue(steps["Rules"])

    def test_without_an_admin_room_commands_say_so(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        server = Server({"10.lua": RULES % receiver.url})
        self.addCleanup(server.close)
        for command in ("reload", "health", "status"):
            result = server.command(command)
            self.assertEqual(result.returncode, 1)
            self.assertIn("admin.listen is not set", result.stderr)
        result = server.command("reload", "--pid", str(server.process.pid))
        self.assertEqual(result.returncode, 0)
        server.wait_logged("reloaded")


class LogTest(unittest.TestCase):
    LOG = """2026-11-26T20:00:00.000Z info received id=01m8craz6vxtp1ws-1 client=127.0.0.1 sender=bob@a.example recipients=1
2026-11-26T20:00:00.001Z info received id=01m8craz6vxtp1wt-1 client=127.0.0.1 sender=eve@a.example recipients=1
2026-11-26T20:00:00.002Z info accepted id=01m8craz6vxtp1ws-1 reply="250 2.0.0 Ok"
2026-11-26T20:00:00.003Z info delivered id=01m8craz6vxtp1ws-1-1 url=https://a.example/in status=200
2026-11-26T20:00:00.004Z info delivered id=01m8craz6vxtp1wt-1-1 url=https://b.example/in status=200
"""

    def run_log(self, *arguments):
        return subprocess.run([MXHOOK, "log", *arguments], input=self.LOG, capture_output=True, text=True, timeout=30).stdout

    def test_tells_a_story(self):
        lines = self.LOG.splitlines(True)
        bob = lines[0] + lines[2] + lines[3]
        self.assertEqual(self.run_log("--id", "01m8craz6vxtp1ws"), bob)
        self.assertEqual(self.run_log("01m8craz6vxtp1ws-1"), bob)
        self.assertEqual(self.run_log("--sender", "bob@"), bob)
        self.assertEqual(self.run_log("--destination", "b.example"), lines[4])
        self.assertEqual(self.run_log("--id", "01m8craz6vxtp1w"), "")


if __name__ == "__main__":
    unittest.main()
