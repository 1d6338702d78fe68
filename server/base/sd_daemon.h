/*
 * sd_daemon.h - what is asked of libsystemd; without it (MXHOOK_SYSTEMD=OFF, as on Alpine) the answers of a process
 * that no service manager has started.
 */
#ifndef MXHOOK_SD_DAEMON_H
#define MXHOOK_SD_DAEMON_H

#ifdef MXHOOK_SYSTEMD
#include <systemd/sd-daemon.h>
#else
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define SD_LISTEN_FDS_START 3

/* Sockets that somebody hands over are not to be overlooked. */
static inline int sd_listen_fds(int unset)
{
    (void)unset;
    return getenv("LISTEN_FDS") ? -ENOSYS : 0;
}

static inline int sd_notify(int unset, const char *state)
{
    (void)unset, (void)state;
    return 0;
}

static inline int sd_notifyf(int unset, const char *format, ...)
{
    (void)unset, (void)format;
    return 0;
}

static inline int sd_watchdog_enabled(int unset, uint64_t *period_us)
{
    (void)unset, (void)period_us;
    return 0;
}
#endif

#endif
