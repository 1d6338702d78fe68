/* What is where, and who may. mxhook-admin(7) describes each. */
#include <string.h>

#include "request.h"

static const struct route routes[] = {
    {"/livez", false, ADMIN_NOBODY, THREAD_HTTP, health_live},
    {"/healthz", false, ADMIN_NOBODY, THREAD_HTTP, health_live},
    {"/readyz", false, ADMIN_NOBODY, THREAD_HTTP, health_ready},
    {"/metrics", false, ADMIN_VIEW, THREAD_SPOOL, health_metrics},

    {"/api/v1/whoami", false, ADMIN_NOBODY, THREAD_HTTP, login_whoami},
    {"/api/v1/login", true, ADMIN_NOBODY, THREAD_TRIALS, login_post},
    {"/api/v1/logout", true, ADMIN_NOBODY, THREAD_HTTP, login_leave},

    {"/api/v1/status", false, ADMIN_VIEW, THREAD_SPOOL, api_status},
    {"/api/v1/setup", false, ADMIN_VIEW, THREAD_HISTORY, api_setup},
    {"/api/v1/setup/dns", false, ADMIN_OPERATE, THREAD_TRIALS, api_dns},
    {"/api/v1/events", false, ADMIN_READ, THREAD_HTTP, events_get},
    {"/api/v1/history", false, ADMIN_VIEW, THREAD_HISTORY, api_history},
    {"/api/v1/story", false, ADMIN_VIEW, THREAD_HISTORY, api_story},
    {"/api/v1/message", false, ADMIN_READ, THREAD_HISTORY, api_message},
    {"/api/v1/payload", false, ADMIN_READ, THREAD_HISTORY, api_payload},
    {"/api/v1/queue", false, ADMIN_VIEW, THREAD_SPOOL, api_queue},
    {"/api/v1/delivery", false, ADMIN_VIEW, THREAD_SPOOL, api_delivery},
    {"/api/v1/delivery/payload", false, ADMIN_READ, THREAD_SPOOL, api_delivery_payload},
    {"/api/v1/destinations", false, ADMIN_VIEW, THREAD_SPOOL, api_destinations},
    {"/api/v1/failures", false, ADMIN_VIEW, THREAD_SPOOL, jobs_failures},
    {"/api/v1/jobs", false, ADMIN_VIEW, THREAD_SPOOL, jobs_list},
    {"/api/v1/rules", false, ADMIN_READ, THREAD_HISTORY, api_rules},

    {"/api/v1/queue/retry", true, ADMIN_OPERATE, THREAD_SPOOL, jobs_retry},
    {"/api/v1/queue/drop", true, ADMIN_OPERATE, THREAD_SPOOL, jobs_drop},
    {"/api/v1/destinations/pause", true, ADMIN_OPERATE, THREAD_SPOOL, api_pause},
    {"/api/v1/destinations/resume", true, ADMIN_OPERATE, THREAD_SPOOL, api_resume},
    {"/api/v1/jobs/cancel", true, ADMIN_OPERATE, THREAD_SPOOL, jobs_cancel},
    {"/api/v1/reload", true, ADMIN_OPERATE, THREAD_HTTP, api_reload},
    {"/api/v1/test", true, ADMIN_OPERATE, THREAD_HTTP, api_test},
    {"/api/v1/resend", true, ADMIN_OPERATE, THREAD_HISTORY, api_resend},
    {"/api/v1/whatif", true, ADMIN_OPERATE, THREAD_TRIALS, api_what_if},
    {"/api/v1/playground", true, ADMIN_OPERATE, THREAD_TRIALS, api_playground},
};

static const struct route console = {"", false, ADMIN_NOBODY, THREAD_HTTP, console_get};

const struct route *route_find(const char *path, bool post, bool *known)
{
    *known = false;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(routes[i].path, path) != 0)
            continue;
        *known = true;
        if (routes[i].post == post)
            return &routes[i];
    }
    if (!*known && console_has(path)) {
        *known = true;
        return post ? NULL : &console;
    }
    return NULL;
}
