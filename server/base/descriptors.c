#include "descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "log.h"

static void warn(size_t needed, rlim_t limit)
{
    log_warn("file-descriptors", NULL, LOG_NUMBER("limit", (int64_t)limit),
             LOG_NUMBER("needed", (int64_t)needed),
             LOG_TEXT("result", "clients may be turned away before smtp.max_connections"));
}

void descriptors_raise(size_t needed)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return;
    struct rlimit raised = {needed, limit.rlim_max < needed ? needed : limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) /* past the hard limit only with privileges */
        return;
    limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("file-descriptors", NULL, LOG_TEXT("error", strerror(errno)));
    else if (limit.rlim_cur < needed)
        warn(needed, limit.rlim_cur);
}
