/* old_landlock.c - a kernel with an older Landlock, or none: preloaded, for confine_test.py.
 *
 * MXHOOK_LANDLOCK_ABI is the newest ABI that it has; 0: it has no Landlock. What that ABI does not know is refused, as
 * such a kernel refuses it (landlock_create_ruleset(2)); what it does know, the real kernel enforces. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/landlock.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>

/* Rights to files: 13 of ABI 1, and one more of 2, 3 and 5. */
static uint64_t known(long abi)
{
    unsigned rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
    return (1ull << rights) - 1;
}

/* 0, or what such a kernel answers. */
static int refusal(long abi, const struct landlock_ruleset_attr *attr)
{
    if (abi == 0)
        return ENOSYS;
    return attr && (attr->handled_access_fs & ~known(abi)) ? EINVAL : 0;
}

long syscall(long number, ...)
{
    static long (*real)(long, ...);
    long a[6];
    va_list arguments;
    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    if (!real)
        real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    const char *newest = getenv("MXHOOK_LANDLOCK_ABI");
    if (number == SYS_landlock_create_ruleset && newest) {
        long abi = atol(newest);
        errno = refusal(abi, (const struct landlock_ruleset_attr *)a[0]);
        if (errno != 0)
            return -1;
        long answer = real(number, a[0], a[1], a[2]);
        return a[2] == LANDLOCK_CREATE_RULESET_VERSION && answer > abi ? abi : answer;
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
