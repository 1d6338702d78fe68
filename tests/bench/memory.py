"""memory.py - the memory of an idle mxhook, by who brings it: for each library that it is linked with, what would not be
there without it, that is its own pages and those of libraries that only it needs.

    tests/bench/memory.py BINARY [--with LINES]

Private: written to, or mapped by no other process; the rest of resident is shared with whoever maps the same file.
"""

import argparse
import collections
import os
import re
import subprocess
import tempfile
import time

import cases
import servers

FIELDS = ("Rss", "Pss", "Private_Dirty")


def idle(binary, lines):
    """KB by mapped file ("": anonymous), of a server that has started and done nothing; and the files it maps."""
    os.makedirs(servers.INSTALLED, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mxhook-memory-", dir=servers.INSTALLED) as folder:
        server = servers.Mxhook("mxhook", binary, more=lines)
        server.start(os.path.join(folder, "server"), cases.DEAD)
        try:
            time.sleep(1)
            with open("/proc/%d/smaps" % server.process.popen.pid) as file:
                return sizes(file)
        finally:
            server.stop()


def sizes(smaps):
    found, name = collections.defaultdict(collections.Counter), ""
    for line in smaps:
        mapping = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$", line)
        field = re.match(r"(\w+): +(\d+) kB$", line)
        if mapping:
            name = mapping[1] if mapping[1].startswith("/") else ""
        elif field and field[1] in FIELDS:
            found[name][field[1]] += int(field[2])
    return found


def needed(path):
    """The names of the libraries that a file is linked with."""
    text = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", text)


def reached(links, binary, without=None):
    """What is loaded for the binary, if one of the libraries that it is linked with itself were not."""
    seen, left = set(), [name for name in links[binary] if name != without]
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += links.get(name, [])
    return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--with", metavar="LINES", default="", dest="lines", help="lines for its configuration")
    opts = parser.parse_args()
    found = idle(opts.binary, opts.lines)
    sonames = {}
    for path in (path for path in found if ".so" in path):
        text = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        soname = re.search(r"\(SONAME\).*\[(.*)\]", text)
        sonames[soname[1] if soname else os.path.basename(path)] = path
    links = {name: needed(path) for name, path in sonames.items()}
    links[opts.binary] = needed(opts.binary)
    total = {field: sum(sizes[field] for sizes in found.values()) for field in FIELDS}
    rows = [("all", total), ("libraries, %d" % len(sonames), {
        field: sum(found[path][field] for path in sonames.values()) for field in FIELDS})]
    everything = reached(links, opts.binary)
    for direct in links[opts.binary]:
        gone = everything - reached(links, opts.binary, direct)
        rows.append(("%s%s" % (direct, " and %d more" % (len(gone) - 1) if len(gone) > 1 else ""), {
            field: sum(found[sonames[name]][field] for name in gone if name in sonames) for field in FIELDS}))
    print("%9s %9s %9s  KB" % ("resident", "PSS", "written"))
    for name, values in rows[:2] + sorted(rows[2:], key=lambda row: -row[1]["Rss"]):
        print("%9d %9d %9d  %s" % (*(values[field] for field in FIELDS), name))


if __name__ == "__main__":
    main()
