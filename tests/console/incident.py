"""incident.py - a server in trouble, for the tests and the pictures of the console: a destination that is held, failures
of three causes, a rule that raises, mail that was refused, and mail that went well."""

import json
import os
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from harness import NO_DNS, Receiver, Server, mail, wait_until  # noqa: E402

RULES = """
local route = require "mxhook.route"
return {
  function(msg) if msg.subject:find("rule") then error("no such customer: " .. msg.subject) end end,
  alias {
    ["orders@example.com"]   = "%(good)s/orders",
    ["invoices@example.com"] = { url = "%(bad)s/invoices", attempts = 1 },
    ["alerts@example.com"]   = { url = "%(bad)s/alerts", attempts = 1 },
    ["crm@example.com"]      = { url = "%(bad)s/crm", attempts = 1 },
    ["night@example.com"]    = "%(dead)s/pager",
  },
  function(msg) if msg.envelope.sender:find("spam") then return route.reject("we do not want that") end end,
}
"""
STATUS = {"/invoices": 422, "/alerts": 404, "/crm": 413}  # these open no circuit breaker


class Incident:
    def __init__(self, failures=(300, 140, 60), good=30):
        self.down = True
        self.good = Receiver()
        self.bad = Receiver(lambda post: STATUS.get(post.path, 200) if self.down else 200)
        dead = Receiver()
        dead_url = dead.url
        dead.close()  # nobody listens there
        self.server = Server({"10-alias.lua": RULES.replace("alias {", "require(\"mxhook.alias\") {") %
                              {"good": self.good.url, "bad": self.bad.url, "dead": dead_url}},
                             'history = { subjects = true, bodies = "all" }\n'
                             'dns = { resolvers = { "127.0.0.1:1" } }\n'
                             'admin = { listen = { "127.0.0.1:0" } }\n'
                             'deliver = { breaker_failures = 3, breaker_pause = "10m", breaker_pause_max = "10m" }\n')
        try:
            self.fill(failures, good)
        except BaseException:
            self.close()
            raise

    def fill(self, failures, good):
        with self.server.smtp() as client:
            for name, count in zip(("invoices", "alerts", "crm"), failures):
                for number in range(count):
                    client.sendmail("shop@client.test", ["%s@example.com" % name], mail("%s no. %d" % (name.title(), number)))
            for number in range(good):
                client.sendmail("ann@client.test", ["orders@example.com"], mail("Order no. %d" % number))
            for number in range(3):
                client.sendmail("monitor@client.test", ["night@example.com"], mail("Disk is filling (%d)" % number))
            for sender, subject in (("spam@bad.test", "Buy now"), ("ann@client.test", "breaks a rule")):
                try:
                    client.sendmail(sender, ["nobody@example.com"], mail(subject))
                except Exception:
                    client.rset()
        wait_until(lambda: self.ask("failures")["count"] == sum(failures), "the failures", 30)
        wait_until(lambda: self.ask("status")["held"], "the held destination", 30)
        wait_until(lambda: len(self.ask("history?state=delivered&limit=500")["messages"]) >= good, "the history")

    @property
    def url(self):
        line = self.server.logged("admin-listening")[0]
        return "http://" + line.split("address=")[1].strip()

    def ask(self, path):
        with urllib.request.urlopen(self.url + "/api/v1/" + path, timeout=30) as response:
            return json.load(response)

    def close(self):
        self.good.close()
        self.bad.close()
        self.server.close()
