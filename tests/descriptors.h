/* descriptors.h - what a test has open, to see that all it opened is closed again. */
#ifndef MXHOOK_TESTS_DESCRIPTORS_H
#define MXHOOK_TESTS_DESCRIPTORS_H

#include <dirent.h>
#include <uv.h>

/* How many descriptors are open; those that libuv keeps for all loops are, from the first call on. */
static inline size_t count_descriptors(void)
{
    static int warm;
    uv_loop_t first;
    size_t count = 0;
    if (!warm && uv_loop_init(&first) == 0)
        warm = uv_loop_close(&first) == 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

#endif
