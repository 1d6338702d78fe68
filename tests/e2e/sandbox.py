"""sandbox.py - runs a command under the system call filters of a systemd unit, without systemd.

Usage: sandbox.py UNIT COMMAND [ARGUMENT]...

What the unit says in SystemCallFilter, SystemCallErrorNumber, RestrictAddressFamilies,
MemoryDenyWriteExecute, RestrictNamespaces, RestrictRealtime, RestrictSUIDSGID and LockPersonality is
enforced by libseccomp as systemd.exec(5) describes it; the groups of system calls are expanded by
`systemd-analyze syscall-filter`, which needs no running systemd. With root, all capabilities are gone too.
"""

import ctypes
import errno
import os
import socket
import stat
import subprocess
import sys

import seccomp
from seccomp import ALLOW, ERRNO, EQ, GT, MASKED_EQ, NE, Arg, SyscallFilter

PR_CAPBSET_DROP = 24
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
CLONE_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
REALTIME = (1, 2, 6)  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE


def settings(unit):
    """{name: [values]}, of [Service]; a repeated name is a list of several."""
    found = {}
    with open(unit) as file:
        for line in file:
            name, equals, value = line.strip().partition("=")
            if equals and not line.startswith("#"):
                found.setdefault(name, []).append(value)
    return found


def groups():
    """{"@group": [its system calls and groups]}"""
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], check=True, capture_output=True,
                          text=True).stdout
    found, group = {}, None
    for line in text.splitlines():
        word = line.strip()
        if line.startswith("@"):
            group = found.setdefault(word, [])
        elif word and not word.startswith("#") and group is not None:
            group.append(word)
        elif line.startswith("#"):
            group = None  # what is in no group
    return found


def expand(names, known):
    result = set()
    for name in names:
        result |= expand(known[name], known) if name.startswith("@") else {name}
    return result


def allowed_calls(values, known):
    """A list that allows comes first; @default is always part of it."""
    allowed = expand(["@default"], known)
    for value in values:
        if value.startswith("~"):
            allowed -= expand(value[1:].split(), known)
        else:
            allowed |= expand(value.split(), known)
    return allowed | expand(["@default"], known)


def deny(code, *rules):
    """A filter that allows all but these: (system call, argument tests...)."""
    made = SyscallFilter(ALLOW)
    for call, *tests in rules:
        made.add_rule(ERRNO(code), call, *tests)
    made.load()


def restrict(unit):
    def on(name):
        return unit.get(name, ["no"])[-1] == "yes"
    if on("MemoryDenyWriteExecute"):
        both = PROT_WRITE | PROT_EXEC
        deny(errno.EPERM, ("mmap", Arg(2, MASKED_EQ, both, both)),
             ("mprotect", Arg(2, MASKED_EQ, PROT_EXEC, PROT_EXEC)),
             ("pkey_mprotect", Arg(2, MASKED_EQ, PROT_EXEC, PROT_EXEC)),
             ("shmat", Arg(2, MASKED_EQ, SHM_EXEC, SHM_EXEC)))
    if "RestrictAddressFamilies" in unit:
        numbers = sorted(int(getattr(socket, name)) for name in unit["RestrictAddressFamilies"][-1].split())
        gaps = [number for number in range(numbers[-1]) if number not in numbers]
        deny(errno.EAFNOSUPPORT, ("socket", Arg(0, GT, numbers[-1])),
             *(("socket", Arg(0, EQ, number)) for number in gaps))
    if on("RestrictNamespaces"):
        deny(errno.EPERM, ("setns",), *((call, Arg(0, MASKED_EQ, flag, flag)) for flag in CLONE_NAMESPACES
                                        for call in ("unshare", "clone")))
        deny(errno.ENOSYS, ("clone3",))  # its flags cannot be seen: libc tries clone then
    if on("RestrictRealtime"):
        deny(errno.EPERM, ("sched_setattr",), *(("sched_setscheduler", Arg(1, EQ, policy)) for policy in REALTIME))
    if on("RestrictSUIDSGID"):
        deny(errno.EPERM, *((call, Arg(at, MASKED_EQ, bit, bit)) for bit in (stat.S_ISUID, stat.S_ISGID)
                            for call, at in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1),
                                             ("mkdirat", 2))))
    if on("LockPersonality"):
        deny(errno.EPERM, ("personality", Arg(0, NE, 0)))


def allow_only(calls, code):
    made = SyscallFilter(ERRNO(code))
    for call in sorted(calls):
        try:
            made.add_rule(ALLOW, call)
        except (OSError, RuntimeError, ValueError):
            pass  # another processor's
    made.load()


def drop_capabilities():
    """From the bounding set: what is executed then has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(64):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    unit, command = settings(sys.argv[1]), sys.argv[2:]
    calls = allowed_calls(unit["SystemCallFilter"], groups())
    code = getattr(errno, unit["SystemCallErrorNumber"][-1])
    if os.geteuid() == 0:
        drop_capabilities()
    restrict(unit)
    allow_only(calls, code)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
