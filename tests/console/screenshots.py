#!/usr/bin/env python3
"""Usage: MXHOOK=build/mxhook tests/console/screenshots.py FOLDER

Pictures of each page of the console, light, dark and narrow, of a server in trouble."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from incident import Incident  # noqa: E402

if len(sys.argv) != 2:
    sys.exit(__doc__)
os.makedirs(sys.argv[1], exist_ok=True)
incident = Incident()
try:
    story = incident.ask("history?recipient=invoices@example.com&limit=1")["messages"][0]["id"]
    incident.server.write_rule("20-new.lua", "return function(msg)\n  if msg.subject:find('VIP' then return 'https://vip.example/' end\nend\n")
    incident.server.reload()
    subprocess.run(["node", os.path.join(HERE, "screenshots.mjs"), incident.url, sys.argv[1], story], check=True, timeout=300)
finally:
    incident.close()
