"""budget.py - where a message's CPU time goes: perf's samples, each counted for the part of mxhook that it fell into.

A sample belongs to the innermost function of its stack that PARTS names. What no line names is shown as "other".
"""

import collections
import re
import subprocess
import time

# The functions are searched from the innermost out; the first that one of these begins with decides.
PARTS = [
    ("log", "log_|write_line"),
    ("hand-over between threads", "task_queue_|loop_queue_|wait_and|inbox_|uv_cond_|uv_async_send|__sched_yield"),
    ("spool: sync", "fdatasync|fsync"),
    ("spool: rows", "group_|db_|leases_|claiming_|sqlite_|spool_|run_batch|finish_"),
    ("SPF, DKIM, DMARC", "auth_|authenticate|dns_"),
    ("rules", "ruleset_|run_rules"),
    ("render", "payload_|render|add_delivery|add_recipient|decode|json_|put_escaped|utf8_|newlines_|charset_"),
    ("parse", "message_parse|structure_|lines_|part_header_|params_|field_|words_"),
    ("POST", "curl_|attempt_|http_|multi_|deliver_|pump|on_poll|on_socket|on_timer"),
    ("SMTP", "session_|on_read|read$|on_connection|connection_|send_to_client|on_answer|advance|transaction_"),
    ("between the parts", "message_free|job_|answer_on_loop|lead$|process$|run_worker|workers_|server_"),
    ("event loop", "uv_|epoll_|run_tasks"),
]
PATTERNS = [(part, re.compile(names)) for part, names in PARTS]


def part_of(stack):
    for function in stack:
        for part, pattern in PATTERNS:
            if pattern.match(function):
                return part
    return "other"


def stacks_of(text):
    """The samples of `perf script -F tid,ip,sym,dso`: user space's functions, from the innermost out."""
    for sample in text.split("\n\n"):
        frames = re.findall(r"(?m)^\s+[0-9a-f]+ (\S+) \((.*)\)$", sample)
        if frames:  # libcurl's own functions have no names here
            yield ["curl_" if name == "[unknown]" and "libcurl" in library else name
                   for name, library in frames if "kernel" not in library]


def shares(text):
    """Each part's share of all samples, the largest first."""
    counts = collections.Counter(part_of(stack) for stack in stacks_of(text))
    total = sum(counts.values())
    return [(part, count / total) for part, count in counts.most_common()]


class Recording:
    """perf on a process, from here until text()."""

    def __init__(self, pid, path):
        self.path = path
        self.perf = subprocess.Popen(["perf", "record", "-q", "-F", "1000", "--call-graph", "dwarf,8192", "-p", str(pid),
                                      "-o", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)

    def text(self):
        self.perf.terminate()
        self.perf.wait()
        return subprocess.run(["perf", "script", "-i", self.path, "--no-inline", "-F", "tid,ip,sym,dso"],
                              capture_output=True, text=True, check=True).stdout
