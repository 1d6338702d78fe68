/*
 * service.h - the process as a service: what it inherits from systemd and tells it, and the
 * privileges that it drops.
 *
 * Where no service manager is there (no LISTEN_FDS, NOTIFY_SOCKET or WATCHDOG_USEC in the environment)
 * nothing is inherited, and what would be told is told nobody. Loop thread only.
 */
#ifndef MXHOOK_SERVICE_H
#define MXHOOK_SERVICE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "config/config.h"
#include "base/error.h"

struct listen_socket; /* smtp/sockets.h */

/* Opens the sockets of config->smtp.listen, then of admin.listen; inherited ones first. One socket for
 * each address, in a new array that the caller frees. */
int service_open_sockets(const struct config *config, struct listen_socket **sockets,
                         struct error *err);

/* Becomes config->user, if that is set, and drops every capability: from here on nothing needs
 * one. Before the first thread is started, since capabilities are a thread's own. */
int service_drop_privileges(const struct config *config, struct error *err);

/* What systemctl shows, and waits for: mail is taken in; a reload begins, and ends. */
void service_ready(void);
void service_reloading(void);
void service_reloaded(bool fine); /* false: it failed, and all is as it was */
/* timeout_ms: how long stopping may take, so that systemd does not end it before. */
void service_stopping(int64_t timeout_ms);

/* Tells the watchdog twice in each of its periods that the loop turns. The timer must be closed by
 * the caller. */
void service_watch(uv_loop_t *loop, uv_timer_t *timer);

#endif
