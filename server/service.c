#include "service.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sd_daemon.h"
#include "smtp/sockets.h"

#define STOP_MARGIN_MS                                                                             \
    10000 /* for what is left once shutdown_timeout is over: threads, the spool */

/* ---- Sockets ---- */

/* The addresses of all rooms that listen, one after the other; NULL: no memory. */
static struct listen_address *all_addresses(const struct config *config, size_t *count)
{
    size_t smtp = config->smtp.listen_count, admin = config->admin.listen_count;
    struct listen_address *all = calloc(smtp + admin, sizeof *all);
    *count = smtp + admin;
    if (all)
        memcpy(all, config->smtp.listen, smtp * sizeof *all);
    if (all && admin > 0)
        memcpy(all + smtp, config->admin.listen, admin * sizeof *all);
    return all;
}

int service_open_sockets(const struct config *config, struct listen_socket **sockets,
                         struct error *err)
{
    int count = sd_listen_fds(1);
    if (count < 0)
        return error_set(err, count, "cannot take over sockets (LISTEN_FDS): %s", strerror(-count));
    size_t address_count;
    struct listen_address *addresses = all_addresses(config, &address_count);
    int *inherited = malloc(sizeof *inherited * (size_t)(count + 1));
    struct listen_socket *opened = malloc(sizeof *opened * address_count);
    int code = -ENOMEM;
    if (addresses && inherited && opened) {
        for (int i = 0; i < count; i++)
            inherited[i] = SD_LISTEN_FDS_START + i;
        code = sockets_open(addresses, address_count, inherited, (size_t)count, opened, err);
    } else {
        error_set(err, code, "cannot listen: out of memory");
    }
    free(inherited);
    free(addresses);
    if (code != 0) {
        free(opened);
        return code;
    }
    if (count > 0)
        log_info("inherited", NULL, LOG_NUMBER("sockets", count));
    *sockets = opened;
    return 0;
}

/* ---- Privileges ---- */

static int find_user(const char *name, uid_t *uid, gid_t *gid, struct error *err)
{
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return error_set(err, errno ? -errno : -ENOENT, "user: %s: %s", name,
                         errno ? strerror(errno) : "no such user");
    *uid = entry->pw_uid;
    *gid = entry->pw_gid;
    return 0;
}

static int change_user(const char *name, struct error *err)
{
    uid_t uid = 0;
    gid_t gid = 0;
    int code = find_user(name, &uid, &gid, err);
    if (code != 0 || uid == geteuid())
        return code;
    if (geteuid() != 0)
        return error_set(err, -EPERM, "user: only root can become %s", name);
    capng_clear(CAPNG_SELECT_BOTH);
    int failed = capng_change_id((int)uid, (int)gid,
                                 CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT);
    if (failed != 0)
        return error_set(err, -EPERM, "user: cannot become %s (capng_change_id: %d)", name, failed);
    /* setuid(0) working would mean that nothing was dropped. */
    if (setuid(0) == 0 || geteuid() != uid || getegid() != gid)
        return error_set(err, -EPERM, "user: did not become %s", name);
    return 0;
}

/* The permitted ones bound the ambient ones, so these go as well. */
static int drop_capabilities(struct error *err)
{
    if (capng_get_caps_process() == 0 && capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
        return 0; /* systemd's filter may refuse capset(2) */
    capng_clear(CAPNG_SELECT_CAPS);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0)
        return error_set(err, -EPERM, "cannot give up capabilities");
    return 0;
}

int service_drop_privileges(const struct config *config, struct error *err)
{
    int code = config->user ? change_user(config->user, err) : 0;
    if (code == 0 && geteuid() != 0)
        code = drop_capabilities(err);
    if (code != 0)
        return code;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set(err, -errno, "cannot give up privileges: %s", strerror(errno));
    if (geteuid() == 0)
        log_warn("privileges", NULL,
                 LOG_TEXT("result", "running as root; set `user` in the configuration"));
    else if (access(config->path, R_OK) != 0)
        log_warn("privileges", NULL, LOG_TEXT("file", config->path),
                 LOG_TEXT("result", "cannot be read any more: a reload will fail"));
    return 0;
}

/* ---- What systemd is told ---- */

void service_ready(void)
{
    sd_notify(0, "READY=1\nSTATUS=Takes mail in");
}

void service_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=Reloads",
               (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void service_reloaded(bool fine)
{
    sd_notifyf(0, "READY=1\nSTATUS=%s",
               fine ? "Takes mail in" : "Takes mail in; the last reload failed, see the log");
}

void service_stopping(int64_t timeout_ms)
{
    sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=Finishes what is under way",
               (long long)(timeout_ms + STOP_MARGIN_MS) * 1000);
}

static void tell_watchdog(uv_timer_t *timer)
{
    (void)timer;
    sd_notify(0, "WATCHDOG=1");
}

void service_watch(uv_loop_t *loop, uv_timer_t *timer)
{
    uint64_t period_us = 0;
    uv_timer_init(loop, timer);
    if (sd_watchdog_enabled(0, &period_us) <= 0)
        return;
    uint64_t half_ms = period_us / 2000;
    uv_timer_start(timer, tell_watchdog, 0, half_ms > 0 ? half_ms : 1);
}
