"""metrics_test.py - /metrics: each figure where it is made, promtool and a real Prometheus, and who waits for whom."""

import base64
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request

from admin import AdminCase
from harness import mail, wait_until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HASH = subprocess.run(["openssl", "passwd", "-6", "sesame"], capture_output=True, text=True).stdout.strip()
PROMETHEUS = "/usr/bin/prometheus"


def certificate(folder, days):
    paths = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days),
                    "-subj", "/CN=mx.test", "-addext", "subjectAltName=DNS:mx.test", "-out", paths[0], "-keyout", paths[1]],
                   check=True, capture_output=True)
    return paths


class MetricsTest(AdminCase):
    def metrics(self):
        return self.ask("/metrics")[1]

    def wait_metric(self, *lines):
        """The text once it has all these lines."""
        return wait_until(lambda: [text for text in [self.metrics()] if all("\n" + line in text for line in lines)], str(lines))[0]

    def test_counts(self):
        self.serve()
        self.server.send(mail())
        self.receiver.wait_for(1)
        self.wait_metric('mxhook_messages_total{result="accepted"} 1', 'mxhook_recipients_total{verdict="deliver"} 1',
                         'mxhook_attempts_total{origin="%s",result="2xx"} 1' % self.receiver.url,
                         "mxhook_rules 1", "mxhook_ready 1", "mxhook_config_last_reload_successful 1",
                         'mxhook_deliveries_total{kind="webhook",result="delivered"} 1',
                         'mxhook_spool_deliveries{state="waiting"} 0', "mxhook_message_size_bytes_count 1", "process_open_fds ")
        self.assertIn("text/plain; version=0.0.4", self.headers["Content-Type"])

    def test_begins_with_zeros(self):
        """An alert on an increase does not see the first of a series that was not there before it."""
        self.serve()
        lines = self.metrics().splitlines()
        for line in ['mxhook_messages_total{result="%s"} 0' % result for result in ("accepted", "rejected", "deferred", "aborted")] + [
                'mxhook_deliveries_total{kind="%s",result="%s"} 0' % (kind, result) for kind in ("webhook", "mail", "notice")
                for result in ("delivered", "failed")] + ["mxhook_messages_waiting 0", "mxhook_workers_busy 0"]:
            self.assertIn(line, lines)

    @unittest.skipUnless(os.path.exists("/usr/bin/promtool"), "SKIPPED: no promtool here (package prometheus)")
    def test_promtool_finds_nothing(self):
        self.serve()
        self.server.send(mail())
        self.receiver.wait_for(1)
        text = self.ask("/metrics")[1]
        result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_a_real_prometheus_scrapes_it(self):
        if not os.path.exists(PROMETHEUS):
            self.skipTest("SKIPPED: no prometheus here (scripts/setup)")
        self.serve('tokens = { prometheus = { role = "view", token = "0123456789abcdef" } }')
        self.server.send(mail())
        self.receiver.wait_for(1)
        folder = tempfile.TemporaryDirectory(prefix="mxhook-prometheus-")
        self.addCleanup(folder.cleanup)
        with open(os.path.join(folder.name, "prometheus.yml"), "w") as file:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                       "rule_files": [os.path.join(ROOT, "server/install/monitoring/mxhook.rules.yml")],
                       "scrape_configs": [{"job_name": "mxhook", "authorization": {"credentials": "0123456789abcdef"},
                                           "static_configs": [{"targets": ["127.0.0.1:%d" % self.port]}]}]}, file)
        log = open(os.path.join(folder.name, "log"), "w+")
        self.addCleanup(log.close)
        process = subprocess.Popen([PROMETHEUS, "--config.file=" + file.name, "--web.listen-address=127.0.0.1:0",
                                    "--storage.tsdb.path=" + os.path.join(folder.name, "data")], stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def port():
            with open(log.name) as lines:
                return re.search(r'msg="Listening on" address=\S*?:(\d+)', lines.read())

        base = "http://127.0.0.1:%s/api/v1/" % wait_until(port, "Prometheus").group(1)

        def query(text):
            try:
                with urllib.request.urlopen(base + "query?query=" + urllib.parse.quote(text), timeout=30) as response:
                    return [one["value"][1] for one in json.load(response)["data"]["result"]]
            except urllib.error.HTTPError as error:
                if error.code != 503:  # it is starting
                    raise

        wait_until(lambda: query("up == 1"), "a scrape")
        wait_until(lambda: query('mxhook_messages_total{result="accepted"}') == ["1"], "a count there")
        self.assertEqual(query("mxhook_ready"), ["1"])

        def rules():
            with urllib.request.urlopen(base + "rules", timeout=30) as response:
                return [rule for group in json.load(response)["data"]["groups"] for rule in group["rules"]]

        evaluated = wait_until(lambda: [found for found in [rules()] if all(rule["health"] != "unknown" for rule in found)], "the alerts")[0]
        self.assertGreater(len(evaluated), 10)
        self.assertEqual([rule for rule in evaluated if rule["health"] != "ok"], [])

    # ---- Where they are made

    def test_tls_and_logins(self):
        folder = tempfile.TemporaryDirectory(prefix="mxhook-tls-")
        self.addCleanup(folder.cleanup)
        paths = certificate(folder.name, 30)
        self.serve(more="""tls = { certificates = { { certificate = "%s", key = "%s" } } }
            listen = { { address = "127.0.0.1:0", auth = "offered" } }
            smtp = { users = { ann = "%s" } }""" % (*paths, HASH))
        context = ssl._create_unverified_context()
        for password, code in (("wrong", 535), ("sesame", 235)):
            with self.server.smtp() as client:
                client.starttls(context=context)
                client.ehlo()
                plain = base64.b64encode(b"\0ann\0" + password.encode()).decode()
                self.assertEqual(client.docmd("AUTH", "PLAIN " + plain)[0], code)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as s:
            for command in (b"", b"EHLO x\r\n", b"STARTTLS\r\n"):
                s.sendall(command)
                s.recv(4096)
            s.sendall(b"this is not TLS\r\n")
            s.recv(4096)
        text = self.wait_metric('mxhook_tls_handshakes_total{result="failed"} 1', 'mxhook_tls_handshakes_total{result="done"} 2',
                                'mxhook_logins_total{result="right"} 1', 'mxhook_logins_total{result="wrong"} 1')
        ends = float(re.search(r'\nmxhook_certificate_not_after_timestamp_seconds{name="mx.test"} (\S+)', text).group(1))
        out = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", paths[0]], capture_output=True, text=True).stdout
        said = subprocess.run(["date", "-u", "+%s", "-d", out.strip().split("=")[1]], capture_output=True, text=True).stdout
        self.assertEqual(ends, float(said))

    def test_messages_that_are_not_ended_or_not_taken(self):
        self.serve(more="smtp = { max_size = 2000 }")
        with self.server.smtp() as client:
            client.ehlo()
            client.mail("ann@client.test")
            client.rcpt("hook@example.com")
            client.docmd("DATA")
            client.send(b"Subject: half a mess")
            client.sock.shutdown(socket.SHUT_RDWR)
            client.sock.close()
            client.sock = None
        with self.server.smtp() as client:
            client.ehlo()
            client.mail("ann@client.test")
            client.rcpt("hook@example.com")
            self.assertEqual(client.data(b"x" * 3000)[0], 552)
            client.mail("ann@client.test")  # and one that is not begun is none
        self.wait_metric('mxhook_messages_total{result="aborted"} 1', 'mxhook_messages_total{result="rejected"} 1')

    def test_waiting_by_origin(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.serve(answer=lambda post: gate.wait(60) and 200)
        self.server.send(mail())
        self.receiver.wait_for(1)
        text = self.wait_metric('mxhook_origin_in_flight{origin="%s"} 1' % self.receiver.url,
                                'mxhook_origin_waiting{origin="%s"} 1' % self.receiver.url,
                                'mxhook_spool_deliveries{state="in_flight"} 1', 'mxhook_spool_deliveries{state="waiting"} 0')
        self.assertRegex(text, r'\nmxhook_origin_oldest_seconds{origin="%s"} \d' % self.receiver.url)
        self.assertGreater(int(re.search(r"\nmxhook_spool_bytes (\d+)", text).group(1)), 0)
        self.assertIn("libuv/", text.split("mxhook_build_info{")[1].split("\n")[0])
        gate.set()
        self.wait_metric('mxhook_origin_in_flight{origin="%s"} 0' % self.receiver.url, 'mxhook_spool_deliveries{state="in_flight"} 0')
        wait_until(lambda: "mxhook_origin_waiting{" not in self.metrics(), "no origin to have mail that waits")

    def test_failed_and_rules(self):
        self.serve(answer=lambda post: 500)
        self.server.write_rule("20-alias.lua", 'return { alias { ["a@example.com"] = "https://a.example/", ["b@example.com"] = "https://b.example/" } }')
        self.assertEqual(self.server.command("reload").returncode, 0)
        for number in range(3):
            self.server.send(mail(str(number)))
        text = self.wait_metric('mxhook_spool_deliveries{state="failed"} 3', 'mxhook_deliveries_total{kind="webhook",result="failed"} 3')
        self.assertIn("\nmxhook_aliases 2\n", text)
        self.assertRegex(text, r'\nmxhook_rule_seconds_total{file="10.lua"} \d')
        self.assertRegex(text, r'\nmxhook_smtp_connections{listener="127.0.0.1:%d"} \d' % self.server.port)

    def test_more_origins_than_are_told_apart(self):
        self.serve(more="metrics = { max_origins = 1 }")
        self.server.write_rule("10.lua", 'return function(msg) return { "%s/a", "http://127.0.0.2:%d/b", "http://localhost:%d/c" } end'
                               % (self.receiver.url, self.receiver.port, self.receiver.port))
        self.assertEqual(self.server.command("reload").returncode, 0)
        self.server.send(mail())

        def origins():
            found = re.findall(r'mxhook_attempts_total{origin="([^"]*)",result="\w+"} (\d+)', self.metrics())
            return found if sum(int(count) for _, count in found) == 3 else None

        named = {origin for origin, _ in wait_until(origins, "three attempts")}
        self.assertEqual((len(named), "other" in named), (2, True))

    # ---- Nobody waits for somebody who searches

    def test_health_and_figures_do_not_wait_for_what_takes_long(self):
        self.serve(more='rules = { time_limit = "5s" }')
        slow = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.addCleanup(slow.close)
        body = json.dumps({"message": mail().decode(), "file": "05.lua", "text": "return function(msg) while true do end end"})
        slow.request("POST", "/api/v1/playground", body, {"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"})
        ended = threading.Event()
        answers = []
        threading.Thread(target=lambda: (answers.append(slow.getresponse().read()), ended.set()), daemon=True).start()
        for _ in range(10):
            self.assertEqual(self.ask("/livez"), (200, "ok\n"))
            self.assertIn("mxhook_ready 1", self.metrics())
            self.assertEqual(self.ask("/readyz")[0], 200)
        self.assertFalse(ended.is_set(), "the slow one did not take long enough to tell")
        self.assertTrue(ended.wait(60))
        self.assertIn(b'"code":451', answers[0])


if __name__ == "__main__":
    unittest.main()
