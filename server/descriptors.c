#include "descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "log.h"

#define OWN 256 /* libraries, listeners, the spool, the resolver's sockets */

size_t descriptors_needed(const struct config *config)
{
    return 2 * config->smtp.max_connections + 2 * config->deliver.max_in_flight + OWN;
}

static void warn(size_t needed, rlim_t limit)
{
    log_warn("file-descriptors", NULL, LOG_NUMBER("limit", (int64_t)limit),
             LOG_NUMBER("needed", (int64_t)needed),
             LOG_TEXT("result", "clients may be turned away before smtp.max_connections"));
}

void descriptors_raise(const struct config *config)
{
    struct rlimit limit;
    rlim_t needed = descriptors_needed(config);
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
