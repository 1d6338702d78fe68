"""tool.py - one message through auth_tool: the auth room as the server uses it."""

import os
import subprocess
import tempfile

TOOL = os.environ["AUTH_TOOL"]
LIMIT_MS = 20000  # of look-ups, where they work


class Result:
    def __init__(self, output):
        self.received_spf, self.results, self.verdict, *self.more = output.splitlines()
        parts = [part.strip() for part in self.results.split("; ")]
        self.spf = next(p for p in self.results.split("; ") if p.startswith("spf="))
        self.dkim = [part for part in parts if part.startswith("dkim=")]
        self.dmarc = next(part for part in parts if part.startswith("dmarc="))


def check(port, message, ip="192.0.2.1", helo="helo.good.test", sender="ann@good.test",
          limit_ms=LIMIT_MS, off=(), environment=None):
    with tempfile.NamedTemporaryFile(prefix="mxhook-auth-") as file:
        file.write(message)
        file.flush()
        run = subprocess.run([TOOL, str(port), str(limit_ms), ip, helo, sender, file.name],
                             capture_output=True, text=True, timeout=90,
                             env=dict(os.environ, **{"NO_" + name: "1" for name in off},
                                      **(environment or {})))
    if run.returncode != 0:
        raise AssertionError("auth_tool: %d %s" % (run.returncode, run.stderr))
    return Result(run.stdout)
