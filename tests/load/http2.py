#!/usr/bin/python3
"""Compares HTTP/2 with kept HTTP/1.1 connections: requests a second, connections, repeated requests.

Usage: http2.py [--nginx PATH] [--deliveries N] [--in-flight N] [--body BYTES] MXHOOK
  MXHOOK      the binary; build it as released (scripts/test's plain build)
  --nginx     a real HTTP/2 receiver (Debian: nginx; default: nginx on PATH). It is started here, on loopback,
              once for each protocol, and its log is what is counted
The server runs with one destination and N requests in flight; mail comes in by SMTP, 100 deliveries a message.
"""
import argparse
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time

NGINX = """daemon off; master_process off; pid %(folder)s/pid; error_log %(folder)s/error warn;
events { worker_connections 1000; }
http {
  log_format counted '$msec $connection $server_protocol $status $http_webhook_id';
  access_log %(folder)s/access counted;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/f;
  uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  client_body_buffer_size 1m; client_max_body_size 1g; keepalive_requests %(requests)d;
  server { listen 127.0.0.1:%(port)d %(listen)s; %(tls)s
    location / { proxy_pass http://127.0.0.1:%(answer)d; } }
  server { listen 127.0.0.1:%(answer)d; access_log off; location / { return 200 "ok"; } }
}
"""
CONFIG = """domains = { "example.com" }  listen = { "127.0.0.1:0" }  spool = { directory = "spool" }
auth = { spf = false, dkim = false, dmarc = false }
deliver = { max_in_flight = %(flight)d, max_per_origin = %(flight)d, ca_file = "cert.pem", attempts = 5 }
"""
RULE = "local to = {} for i = 1, 100 do to[i] = '%s/' .. i end return function() return to end"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(path, condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.path.exists(path):
            with open(path) as file:
                text = file.read()
            if condition(text):
                return text
        time.sleep(0.05)
    raise SystemExit("timed out: " + path)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(options, name, listen, requests):
    folder = tempfile.mkdtemp(prefix="mxhook-http2-")
    write = lambda file, text: open(os.path.join(folder, file), "w").write(text)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                    folder + "/key.pem", "-out", folder + "/cert.pem"], check=True, capture_output=True)
    tls = "ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem;" % (folder, folder) if "ssl" in listen else ""
    port = free_port()
    write("nginx.conf", NGINX % {"folder": folder, "port": port, "answer": free_port(), "listen": listen, "tls": tls,
                                 "requests": requests})
    os.mkdir(folder + "/rules.d")
    write("mxhook.lua", CONFIG % {"flight": options.in_flight})
    write("rules.d/10.lua", RULE % ("%s://127.0.0.1:%d" % ("https" if tls else "http", port)))
    nginx = subprocess.Popen([options.nginx, "-p", folder, "-c", folder + "/nginx.conf"], stderr=subprocess.DEVNULL)
    log = open(folder + "/log", "w")
    server = subprocess.Popen([options.mxhook, "run", "--config", folder + "/mxhook.lua"], stderr=log)
    try:
        text = wait_for(folder + "/log", lambda text: " started " in text)
        smtp_port = int(text.split("address=127.0.0.1:")[1].split()[0])
        message = "Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * (options.body // 72)
        before, start = cpu_seconds(server.pid), time.time()
        with smtplib.SMTP("127.0.0.1", smtp_port) as client:
            for _ in range(options.deliveries // 100):
                client.sendmail("a@client.test", ["b@example.com"], message)
        text = wait_for(folder + "/log", lambda text: text.count(" delivered ") >= options.deliveries)
        cpu = cpu_seconds(server.pid) - before
        time.sleep(0.2)
        rows = [line.split() for line in open(folder + "/access").read().splitlines()]
        seconds = max(float(row[0]) for row in rows) - start
        print("%-34s %7.0f /s  %5.0f us CPU  %4d connections  %4d repeated  %d retries  %s" % (
            name, options.deliveries / seconds, cpu / options.deliveries * 1e6, len({row[1] for row in rows}),
            len(rows) - len({row[4] for row in rows}), text.count(" retry "), rows[-1][2]), flush=True)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        nginx.terminate()
        nginx.wait()
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--nginx", default="nginx")
    parser.add_argument("--deliveries", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--body", type=int, default=2000)
    parser.add_argument("mxhook")
    options = parser.parse_args()
    print("%d deliveries, %d in flight, bodies of about %d bytes" % (options.deliveries, options.in_flight, options.body))
    for requests, note in ((1000000, ""), (1000, ", closed after 1000")):
        run(options, "HTTP/1.1" + note, "", requests)
        run(options, "HTTP/1.1 with TLS" + note, "ssl", requests)
        run(options, "HTTP/2" + note, "ssl http2", requests)


if __name__ == "__main__":
    main()
