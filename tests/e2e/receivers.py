#!/usr/bin/python3
"""Real receivers take the payload and verify its signature as their own users would; and how large a body they take.

Usage: MXHOOK=BINARY receivers.py [NAME...]
Each application verifies webhook-signature over the raw body (Standard Webhooks) and answers 204, or 401. Then bodies below
and above the limit that its documentation has by default are sent. By hand, not under ctest: what is not installed is
skipped by name. Python's come from the interpreter in RECEIVERS_PYTHON (default: this one), those of Node.js from
the folder RECEIVERS_NODE with a node_modules (npm install express fastify koa koa-bodyparser node-red); php, nginx, apache2,
haproxy and caddy from PATH, with their modules beside them: Debian's packages, which may be unpacked only (dpkg -x; then
LD_LIBRARY_PATH too).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import harness

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PYTHON = os.environ.get("RECEIVERS_PYTHON", sys.executable)
NODE = os.environ.get("RECEIVERS_NODE", "")

VERIFY_PYTHON = """
import base64, hashlib, hmac, json, sys
KEY = base64.b64decode("%s")
def status_of(headers, body):
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    wanted = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    fine = any(hmac.compare_digest(wanted, one) for one in headers["webhook-signature"].split())
    return 204 if fine and json.loads(body)["subject"] == "A subject" else 401
PORT = int(sys.argv[1])
""" % SECRET[6:]

VERIFY_NODE = """
const crypto = require("crypto"), port = Number(process.argv[2]);
function statusOf(headers, body) {
  const wanted = "v1," + crypto.createHmac("sha256", Buffer.from("%s", "base64"))
    .update(headers["webhook-id"] + "." + headers["webhook-timestamp"] + ".").update(body).digest("base64");
  return headers["webhook-signature"].split(" ").includes(wanted) && JSON.parse(body).subject === "A subject" ? 204 : 401;
}
""" % SECRET[6:]

FLASK = VERIFY_PYTHON + """
from flask import Flask, request
app = Flask("x")
@app.post("/hook")
def hook():
    return "", status_of(request.headers, request.get_data())
app.run("127.0.0.1", PORT)
"""

DJANGO = VERIFY_PYTHON + """
import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False)
@csrf_exempt
def hook(request):
    return HttpResponse(status=status_of(request.headers, request.body))
urlpatterns = [path("hook", hook)]
execute_from_command_line(["x", "runserver", "--noreload", "127.0.0.1:%d" % PORT])
"""

FASTAPI = VERIFY_PYTHON + """
import uvicorn
from fastapi import FastAPI, Request, Response
app = FastAPI()
@app.post("/hook")
async def hook(request: Request):
    return Response(status_code=status_of(request.headers, await request.body()))
uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="error")
"""

AIOHTTP = VERIFY_PYTHON + """
from aiohttp import web
async def hook(request):
    return web.Response(status=status_of(request.headers, await request.read()))
app = web.Application()
app.router.add_post("/hook", hook)
web.run_app(app, host="127.0.0.1", port=PORT, print=None)
"""

TORNADO = VERIFY_PYTHON + """
import tornado.ioloop, tornado.web
class Hook(tornado.web.RequestHandler):
    def post(self):
        self.set_status(status_of(self.request.headers, self.request.body))
tornado.web.Application([("/hook", Hook)]).listen(PORT, "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
"""

BOTTLE = VERIFY_PYTHON + """
from bottle import post, request, response, run
@post("/hook")
def hook():
    response.status = status_of(request.headers, request.body.read())
run(host="127.0.0.1", port=PORT, quiet=True)
"""

STANDARD = VERIFY_PYTHON + """
import http.server
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(status_of(self.headers, self.rfile.read(int(self.headers["content-length"]))))
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Hook).serve_forever()
"""

NODE_HTTP = VERIFY_NODE + """
require("http").createServer((request, response) => {
  const parts = [];
  request.on("data", part => parts.push(part)).on("end", () => {
    response.writeHead(statusOf(request.headers, Buffer.concat(parts))).end();
  });
}).listen(port, "127.0.0.1");
"""

EXPRESS = VERIFY_NODE + """
const express = require("express"), app = express();
app.use(express.json({ verify: (request, _, raw) => { request.raw = raw; } }));
app.post("/hook", (request, response) => response.status(statusOf(request.headers, request.raw)).end());
app.listen(port, "127.0.0.1");
"""

FASTIFY = VERIFY_NODE + """
const app = require("fastify")();
app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => done(null, body));
app.post("/hook", (request, reply) => reply.code(statusOf(request.headers, request.body)).send());
app.listen({ port, host: "127.0.0.1" });
"""

KOA = VERIFY_NODE + """
const Koa = require("koa"), parser = require("koa-bodyparser"), app = new Koa();
app.use(parser());
app.use(context => { context.status = statusOf(context.headers, context.request.rawBody); });
app.listen(port, "127.0.0.1");
"""

PHP = """<?php
$body = file_get_contents("php://input");
$signed = $_SERVER["HTTP_WEBHOOK_ID"] . "." . $_SERVER["HTTP_WEBHOOK_TIMESTAMP"] . "." . $body;
$wanted = "v1," . base64_encode(hash_hmac("sha256", $signed, base64_decode("%s"), true));
$fine = in_array($wanted, explode(" ", $_SERVER["HTTP_WEBHOOK_SIGNATURE"])) && json_decode($body)->subject === "A subject";
http_response_code($fine ? 204 : 401);
""" % SECRET[6:]

# nginx by itself: njs, without an application behind it.
NJS = """
const crypto = require("crypto");
function hook(request) {
  const head = request.headersIn, body = request.requestBuffer;
  const wanted = "v1," + crypto.createHmac("sha256", Buffer.from("%s", "base64"))
    .update(head["webhook-id"] + "." + head["webhook-timestamp"] + ".").update(body).digest("base64");
  const fine = head["webhook-signature"].split(" ").includes(wanted) && JSON.parse(body.toString()).subject === "A subject";
  request.return(fine ? 204 : 401);
}
export default { hook };
""" % SECRET[6:]

# Apache's mod_cgi runs it for each request.
CGI = "#!%s\nimport sys\nsys.argv[1:] = ['0']\n" % PYTHON + VERIFY_PYTHON + """
import os
names = ("webhook-id", "webhook-timestamp", "webhook-signature")
headers = {name: os.environ["HTTP_" + name.upper().replace("-", "_")] for name in names}
body = sys.stdin.buffer.read(int(os.environ["CONTENT_LENGTH"]))
print("Status: %d\\n" % status_of(headers, body))
"""

# Node-RED: an "http in" that leaves the body as it came, a function, an "http response".
NODE_RED_FUNCTION = """
const head = msg.req.headers, body = Buffer.from(msg.payload);
const wanted = "v1," + global.get("crypto").createHmac("sha256", Buffer.from("%s", "base64"))
  .update(head["webhook-id"] + "." + head["webhook-timestamp"] + ".").update(body).digest("base64");
const fine = head["webhook-signature"].split(" ").includes(wanted) && JSON.parse(body.toString()).subject === "A subject";
msg.statusCode = fine ? 204 : 401;
msg.payload = "";
return msg;
""" % SECRET[6:]
NODE_RED_FLOW = [
    {"id": "t", "type": "tab", "label": "hook"},
    {"id": "i", "type": "http in", "z": "t", "url": "/hook", "method": "post", "skipBodyParsing": True, "wires": [["f"]]},
    {"id": "f", "type": "function", "z": "t", "func": NODE_RED_FUNCTION, "outputs": 1, "wires": [["r"]]},
    {"id": "r", "type": "http response", "z": "t", "wires": []},
]

KB, MB = 1000, 1000000


class Missing(Exception):
    pass


def python(module, text):
    def start(port, folder):
        if subprocess.run([PYTHON, "-c", "import " + module], capture_output=True, check=False).returncode:
            raise Missing("no %s for %s" % (module, PYTHON))
        return program([PYTHON, "-c", text, str(port)], folder)
    return start


def node(module, text):
    def start(port, folder):
        if not shutil.which("node") or (module and not os.path.isdir(os.path.join(NODE, "node_modules", module))):
            raise Missing("no %s in RECEIVERS_NODE" % module if module else "no node")
        with open(os.path.join(folder, "app.cjs"), "w") as file:
            file.write(text)
        return program(["node", os.path.join(folder, "app.cjs"), str(port)], folder,
                       NODE_PATH=os.path.join(os.path.abspath(NODE), "node_modules"))
    return start


def php(port, folder):
    if not shutil.which("php"):
        raise Missing("no php")
    with open(os.path.join(folder, "hook"), "w") as file:
        file.write(PHP)
    return program(["php", "-S", "127.0.0.1:%d" % port, os.path.join(folder, "hook")], folder)


def nginx_folders(folder):
    """For its worker, which runs as another user where this is root."""
    os.chmod(folder, 0o777)
    return "".join("%s_temp_path %s/%s; " % (name, folder, name) for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


def application(folder):
    """What stands behind a proxy: its port, and its process, once it listens."""
    port = free_port()
    started = program([PYTHON, "-c", STANDARD, str(port)], folder)
    harness.wait_until(lambda: answers(port), "the application")
    return port, started


def nginx(port, folder):
    """In front of the Python application, as it is deployed."""
    if not shutil.which("nginx"):
        raise Missing("no nginx")
    behind, started = application(folder)
    with open(os.path.join(folder, "nginx.conf"), "w") as file:
        file.write("daemon off; pid %s/pid; error_log stderr error; events {} http { access_log off; %s"
                   "server { listen 127.0.0.1:%d; location / { proxy_pass http://127.0.0.1:%d; } } }"
                   % (folder, nginx_folders(folder), port, behind))
    return started + program(
        ["nginx", "-c", os.path.join(folder, "nginx.conf")], folder)


def beside(binary, path):
    """A file of the same package."""
    return os.path.join(os.path.dirname(os.path.dirname(shutil.which(binary))), path)


def write(folder, name, text, mode=0o644):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def nginx_njs(port, folder):
    module = shutil.which("nginx") and beside("nginx", "lib/nginx/modules/ngx_http_js_module.so")
    if not module or not os.path.exists(module):
        raise Missing("no nginx with njs")
    write(folder, "hook.js", NJS)
    config = write(folder, "nginx.conf", """
load_module %s; daemon off; pid %s/pid; error_log stderr error; events {}
http { access_log off; %s client_body_buffer_size 2m; js_path %s; js_import hook.js;
  server { listen 127.0.0.1:%d; location = /hook { js_content hook.hook; } } }""" 
                   % (module, folder, nginx_folders(folder), folder, port))
    return program(["nginx", "-c", config], folder)


def apache_start(port, folder, modules, lines):
    if not shutil.which("apache2"):
        raise Missing("no apache2")
    load = "".join("LoadModule %s_module %s\n" % (name, beside("apache2", "lib/apache2/modules/mod_%s.so" % name))
                   for name in ("mpm_prefork", "authz_core", *modules))
    user = "User nobody\nGroup nogroup\n" if os.getuid() == 0 else ""
    config = write(folder, "apache.conf", "%sServerName localhost\nListen 127.0.0.1:%d\nPidFile %s/pid\nMutex file:%s\n"
                   "ErrorLog %s/error\n%s%s" % (load, port, folder, folder, folder, user, lines))
    os.chmod(folder, 0o755)
    return program(["apache2", "-f", config, "-DFOREGROUND"], folder)


def apache_cgi(port, folder):
    script = write(folder, "hook.cgi", CGI, 0o755)
    return apache_start(port, folder, ("alias", "cgi"), "ScriptAlias /hook %s\n<Directory %s>\nRequire all granted\n</Directory>\n"
                        % (script, folder))


def apache_proxy(port, folder):
    behind, started = application(folder)
    return started + apache_start(port, folder, ("proxy", "proxy_http"), "ProxyPass / http://127.0.0.1:%d/\n" % behind)


def node_red(port, folder):
    script = os.path.join(NODE, "node_modules/node-red/red.js")
    if not NODE or not os.path.exists(script):
        raise Missing("no node-red in RECEIVERS_NODE")
    settings = write(folder, "settings.js", "module.exports = { uiPort: %d, uiHost: '127.0.0.1', flowFile: 'flows.json', "
                     "httpAdminRoot: false, functionGlobalContext: { crypto: require('crypto') } };" % port)
    write(folder, "flows.json", json.dumps(NODE_RED_FLOW))
    started = program(["node", script, "--userDir", folder, "--settings", settings], folder)
    harness.wait_until(lambda: "Started flows" in open(os.path.join(folder, "receiver.log")).read(), "Node-RED's flow")
    return started


def haproxy(port, folder):
    if not shutil.which("haproxy"):
        raise Missing("no haproxy")
    behind, started = application(folder)
    with open(os.path.join(folder, "haproxy.cfg"), "w") as file:
        file.write("defaults\n mode http\n timeout connect 9s\n timeout client 9s\n timeout server 9s\nfrontend a\n bind 127.0.0.1:%d\n"
                   " default_backend b\nbackend b\n server s 127.0.0.1:%d\n" % (port, behind))
    return started + program(
        ["haproxy", "-f", os.path.join(folder, "haproxy.cfg")], folder)


def caddy(port, folder):
    if not shutil.which("caddy"):
        raise Missing("no caddy")
    behind, started = application(folder)
    config = write(folder, "Caddyfile", "{\nadmin off\nauto_https off\n}\nhttp://127.0.0.1:%d {\nreverse_proxy 127.0.0.1:%d\n}\n"
                   % (port, behind))
    return started + program(
        ["caddy", "run", "--config", config, "--adapter", "caddyfile"], folder)


# name: how it is started, and the bytes of a body that it takes by default; None: no limit that is near
RECEIVERS = {
    "python http.server": (python("http.server", STANDARD), None),
    "flask": (python("flask", FLASK), None),
    "django": (python("django", DJANGO), 2.5 * 1024 * 1024),
    "fastapi (uvicorn)": (python("fastapi, uvicorn", FASTAPI), None),
    "aiohttp": (python("aiohttp", AIOHTTP), 1024 * 1024),
    "tornado": (python("tornado", TORNADO), 100 * 1024 * 1024),
    "bottle": (python("bottle", BOTTLE), None),
    "node http": (node("", NODE_HTTP), None),
    "express": (node("express", EXPRESS), 100 * 1024),
    "fastify": (node("fastify", FASTIFY), 1024 * 1024),
    "koa (koa-bodyparser)": (node("koa-bodyparser", KOA), 1024 * 1024),
    "php -S": (php, None),
    "nginx (proxy)": (nginx, 1024 * 1024),
    "nginx (njs)": (nginx_njs, 1024 * 1024),
    "apache (mod_cgi)": (apache_cgi, None),
    "apache (proxy)": (apache_proxy, None),
    "node-red": (node_red, None),
    "haproxy": (haproxy, None),
    "caddy": (caddy, None),
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def program(command, folder, **environment):
    log = open(os.path.join(folder, "receiver.log"), "ab")
    return [subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                             start_new_session=True,  # Apache ends its whole process group
                             env=dict(os.environ, **environment))]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Case(harness.TestCase):
    def deliver(self, mx, size):
        """The status of a message whose payload has about so many bytes."""
        before = len(mx.logged("delivered") + mx.logged("undelivered"))
        line = "x" * 70 + "\r\n"
        mx.send(harness.mail(text=line * max(1, int(size - 900) // (len(line) + 2))))
        lines = harness.wait_until(lambda: (mx.logged("delivered") + mx.logged("undelivered"))[before:] and
                                   mx.log().splitlines(), "the end of the delivery")
        ends = [each for each in lines if each.split(" ", 3)[2:3] in (["delivered"], ["undelivered"])]
        return int(ends[-1].split("status=")[1].split()[0])

    def check(self, name):
        start, limit = RECEIVERS[name]
        port, folder = free_port(), self.folder
        processes = start(port, folder)
        try:
            harness.wait_until(lambda: answers(port), name)
            mx = self.server({"10.lua": "return function() return { url = 'http://127.0.0.1:%d/hook', secret = '%s' } end"
                              % (port, SECRET)}, "deliver = { attempts = 1 }")
            small = self.deliver(mx, 2 * KB)
            row = "%-22s %3d" % (name, small)
            for size in ([0.9 * limit, 1.1 * limit] if limit and limit < 50 * MB else [] if limit else [8 * MB]):
                row += "   %9d bytes: %3d" % (size, self.deliver(mx, size))
            print(row, flush=True)
            return small == 204
        finally:
            for each in processes:
                each.terminate()
                each.wait()

    def runTest(self):
        failed = []
        for name in [each for each in RECEIVERS if not sys.argv[1:] or any(one in each for one in sys.argv[1:])]:
            with tempfile.TemporaryDirectory() as self.folder:
                try:
                    if not self.check(name):
                        failed.append(name)
                except Missing as missing:
                    print("%-22s skipped: %s" % (name, missing), flush=True)
        self.assertEqual(failed, [])


if __name__ == "__main__":
    result = unittest.TextTestRunner(verbosity=0).run(Case())
    sys.exit(not result.wasSuccessful())
