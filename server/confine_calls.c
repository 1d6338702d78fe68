#include "confine_calls.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "confine.h"

/* ---- System calls ---- */

/* Programs are run, processes watched, and the machine changed by these; nothing of ours needs one. */
static const char *const denied[] = {
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "fsconfig",
    "fspick",
    "mount_setattr",
    "setns",
    "unshare",
    "swapon",
    "swapoff",
    "quotactl",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "add_key",
    "request_key",
    "keyctl",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "acct",
    "syslog",
    "open_by_handle_at",
    "name_to_handle_at",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "modify_ldt",
    "vhangup",
    "nfsservctl",
    "lookup_dcookie",
    "personality",
};

/* LeakSanitizer stops the other threads by ptrace(2). */
static bool is_needed(const char *name)
{
#ifdef MXHOOK_SANITIZED
    return strcmp(name, "ptrace") == 0;
#else
    (void)name;
    return false;
#endif
}

int confine_calls(char *what, size_t size)
{
    int count = 0, code = 0;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof denied / sizeof *denied && code == 0; i++) {
        int number = seccomp_syscall_resolve_name(denied[i]);
        if (number == __NR_SCMP_ERROR || is_needed(denied[i]))
            continue; /* this architecture, or this version of the library, has none of that name */
        code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
        count += code == 0;
    }
    if (code == 0)
        code = seccomp_load(filter);
    seccomp_release(filter);
    if (code != 0)
        snprintf(what, size, "none: %s", strerror(-code));
    else
        snprintf(what, size, "%d system calls denied", count);
    return code == -ENOMEM ? code : 0;
}

#define LIBUV_WITH_IO_URING 0x012d00 /* 1.45 */

void confine_io_uring(void)
{
    scmp_filter_ctx filter =
        uv_version() >= LIBUV_WITH_IO_URING ? seccomp_init(SCMP_ACT_ALLOW) : NULL;
    if (!filter)
        return;
    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0) == 0)
        seccomp_load(filter);
    seccomp_release(filter);
}
