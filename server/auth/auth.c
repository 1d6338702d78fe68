#include "auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/domain.h"
#include "../base/network.h"
#include "check.h"
#include "dmarc.h"
#include "signatures.h"

#define DNSBL_PAUSE_MS 10000 /* between probes of a blocklist that does not answer */

/* --- For the other threads --- */

/* An IPv4 address in IPv6's form is IPv4. */
static void read_client(struct auth_check *check)
{
    struct ip_address address;
    const unsigned char *bytes;
    if (ip_address_parse(check->client_ip, &address) != 0)
        return;
    check->address_size = ip_address_bytes(&address, &bytes);
    memcpy(check->address, bytes, check->address_size);
}

static bool copy_lists(struct auth_check *check, const struct auth_config *config)
{
    check->dnsbl = arena_alloc(check->arena, config->dnsbl_count * sizeof *check->dnsbl);
    for (size_t i = 0; check->dnsbl && i < config->dnsbl_count; i++) {
        const char *zone = arena_strdup(check->arena, config->dnsbl[i].zone);
        if (!zone)
            return false;
        check->dnsbl[check->dnsbl_count++] =
            (struct dnsbl_query){{.zone = zone, .refuse = config->dnsbl[i].refuse}, false};
    }
    return check->dnsbl;
}

#define SENDER_SIZE 1024 /* more than MAIL takes */

static bool copy_strings(struct auth_check *check, const struct config *config,
                         const struct envelope *envelope)
{
    char sender[SENDER_SIZE];
    const char *given = envelope->sender ? envelope->sender : "";
    bool fits = domain_address_to_ascii(given, sender, sizeof sender); /* RFC 8616 section 4 */
    check->arena = arena_new();
    if (!check->arena)
        return false;
    check->hostname = arena_strdup(check->arena, config->hostname);
    check->client_ip = arena_strdup(check->arena, envelope->client_ip);
    check->helo = arena_strdup(check->arena, envelope->helo ? envelope->helo : "");
    check->sender = arena_strdup(check->arena, fits ? sender : given);
    return check->hostname && check->client_ip && check->helo && check->sender;
}

/* A check that is off has its result already. */
static void settle_what_is_off(struct auth_check *check)
{
    if (!check->spf_on) {
        check->spf = (struct spf_result){
            .domain = "", .helo = *check->sender == 0, .reason = "SPF is turned off"};
        check->spf_done = true;
    }
    check->iprev_done = !check->reverse_name_on || check->address_size == 0;
    if (check->address_size == 0)
        check->dnsbl_count = 0;
}

int auth_begin(struct auth *auth, const struct config *config, const struct envelope *envelope,
               struct auth_check **out)
{
    struct auth_check *check = calloc(1, sizeof *check);
    if (!check)
        return -ENOMEM;
    atomic_init(&check->references, 1);
    check->auth = auth;
    check->spf_on = config->auth.spf;
    check->dkim_on = config->auth.dkim;
    check->dmarc_on = config->auth.dmarc;
    check->reverse_name_on = config->auth.reverse_name;
    check->timeout_ms = config->auth.timeout_ms;
    if (!copy_strings(check, config, envelope) || !copy_lists(check, &config->auth)) {
        check_unref(check);
        return -ENOMEM;
    }
    read_client(check);
    settle_what_is_off(check);
    *out = check;
    check->envelope_on = !check->spf_done || !check->iprev_done || check->dnsbl_count > 0;
    if (!check->envelope_on)
        return 0;
    atomic_fetch_add(&check->references, 1);
    check->begin.run = check_run_begin;
    loop_queue_push(auth->queue, &check->begin);
    return 0;
}

void auth_check_free(struct auth_check *check)
{
    if (check)
        check_unref(check);
}

const char *auth_client_name(struct auth_check *check)
{
    return atomic_load(&check->client_name);
}

void auth_finish(struct auth_check *check, const struct spill *data, void (*done)(void *context),
                 void *context)
{
    check->data = data;
    if (!check->envelope_on && !check->dkim_on && !check->dmarc_on) {
        done(context);
        return;
    }
    check->done = done;
    check->context = context;
    check->finish.run = check_run_finish;
    loop_queue_push(check->auth->queue, &check->finish);
}

/* --- Life --- */

static void run_loop(void *argument)
{
    struct auth *auth = argument;
    task_name_thread("mxhook-auth");
    uv_run(&auth->loop, UV_RUN_DEFAULT);
}

static void run_stop(struct task *task, void *context)
{
    struct auth *auth = context;
    (void)task;
    check_drop_all(auth);
    dnsbl_monitor_close(auth->dnsbl_monitor);
    dns_close(auth->dns);
    uv_close((uv_handle_t *)&auth->sweep, NULL);
    loop_queue_close(auth->queue);
}

static int start(struct auth *auth, const struct dns_config *config, struct error *err)
{
    uv_timer_init(&auth->loop, &auth->sweep);
    auth->sweep.data = auth;
    auth->signatures = signatures_open();
    auth->dmarc = auth->signatures ? dmarc_open() : NULL;
    if (!auth->dmarc)
        return error_set(err, -ENOENT, "auth: %s",
                         auth->signatures ? "the public suffix list cannot be read"
                                          : "libopendkim lacks rsa-sha256 or ed25519-sha256");
    int code = dns_open(&auth->loop, config, &auth->dns, err);
    if (code < 0)
        return code;
    auth->dnsbl_monitor = dnsbl_monitor_new(&auth->loop, auth->dns, DNSBL_PAUSE_MS);
    code = auth->dnsbl_monitor ? loop_queue_new(&auth->loop, auth, &auth->queue) : -ENOMEM;
    if (code == 0)
        code = uv_thread_create(&auth->thread, run_loop, auth);
    return code == 0 ? 0 : error_set(err, code, "auth: %s", uv_strerror(code));
}

static void auth_free(struct auth *auth)
{
    uv_loop_close(&auth->loop);
    dmarc_close(auth->dmarc);
    signatures_close(auth->signatures);
    free(auth);
}

int auth_start(const struct dns_config *config, struct auth **out, struct error *err)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (!auth || uv_loop_init(&auth->loop) != 0) {
        free(auth);
        return error_set(err, -ENOMEM, "auth: out of memory");
    }
    int code = start(auth, config, err);
    if (code == 0) {
        *out = auth;
        return 0;
    }
    dnsbl_monitor_close(auth->dnsbl_monitor);
    dns_close(auth->dns);
    uv_close((uv_handle_t *)&auth->sweep, NULL);
    if (auth->queue)
        loop_queue_close(auth->queue);
    uv_run(&auth->loop, UV_RUN_DEFAULT);
    auth_free(auth);
    return code;
}

void auth_stop(struct auth *auth)
{
    if (!auth)
        return;
    auth->stop.run = run_stop;
    loop_queue_push(auth->queue, &auth->stop);
    uv_thread_join(&auth->thread);
    auth_free(auth);
}
