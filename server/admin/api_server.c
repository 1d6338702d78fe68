/* What is asked of the server itself: a reload, what is missing on a first run, a message to try it with. */
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/metrics.h"
#include "../mail/date.h"
#include "../rules/ruleset.h"
#include "../smtp/sockets.h"
#include "request.h"
#include "rule_files.h"

/* ---- A reload ---- */

static void ask_reload(struct task *task, void *context)
{
    struct admin *admin = context;
    free(task);
    admin->hooks->reload(admin->context);
}

static void response_reload(struct request *request)
{
    struct admin *admin = request->admin;
    char text[sizeof admin->reload_text];
    uv_mutex_lock(&admin->lock);
    bool fine = admin->reload_fine;
    memcpy(text, admin->reload_text, sizeof text);
    uv_mutex_unlock(&admin->lock);
    if (!fine) {
        response_error(request, 422, "%s", text);
        return;
    }
    struct json *json = response_json(request);
    if (!json)
        return;
    json_begin_object(json);
    json_pair(json, "reloaded", text);
    json_end_object(json);
}

void api_reload(struct request *request)
{
    struct admin *admin = request->admin;
    if (request->reload_number) { /* it is here for the second time */
        response_reload(request);
        return;
    }
    struct task *task = malloc(sizeof *task);
    if (!task || atomic_load(&admin->ended)) {
        free(task);
        response_error(request, 503, "the server cannot do that now");
        return;
    }
    *task = (struct task){.run = ask_reload};
    request_audit(request, "reload", request->config->path, 1);
    request->reload_number = atomic_load(&admin->reload_number) + 1;
    request_suspend(request);
    loop_queue_push(admin->to_loop, task);
}

/* ---- A message to try it with ---- */

struct
try {
    struct task task; /* the loop's, then ours */
    struct admin *admin;
    struct request *request;
    char recipient[ADMIN_NAME_SIZE + 64];
    struct spill *data;
    char id[ID_SIZE], reply[480];
};

/* Back on our thread. The request may be gone with its connection; then nobody waits. */
static void tried(struct task *task, void *context)
{
    struct admin *admin = context;
    struct try *try = (struct try *)task;
    for (struct request *r = admin->waiting; r; r = r->next)
        if (r == try->request) {
            if (asprintf(&r->test_reply, "%s\n%s", try->id, try->reply) < 0)
                r->test_reply = NULL;
            request_resume(r);
            break;
        }
    free(try);
}

static void was_taken(void *token, const char *id, const char *reply)
{
    struct try *try = token;
    uint64_t one = 1;
    snprintf(try->id, sizeof try->id, "%s", id);
    snprintf(try->reply, sizeof try->reply, "%s", reply);
    try->task.run = tried;
    task_queue_push(&try->admin->to_admin, &try->task);
    ssize_t ignored = write(try->admin->wake, &one, sizeof one);
    (void)ignored;
}

static void hand_in(struct task *task, void *context)
{
    struct admin *admin = context;
    struct try *try = (struct try *)task;
    struct spill *data = try->data;
    try->data = NULL;
    admin->hooks->submit(admin->context, try->recipient, data, was_taken, try);
}

static struct spill *sample(const char *recipient, const char *subject)
{
    char text[2048], date[DATE_SIZE];
    date_write(clock_unix_ms() / 1000, date);
    int size = snprintf(text, sizeof text,
                        "From: mxhook test <test@mxhook.invalid>\r\nTo: <%s>\r\nSubject: %s\r\n"
                        "Date: %s\r\nMessage-ID: <%lld.%d@mxhook.invalid>\r\n\r\n"
                        "If you can read this, your webhook works.\r\n",
                        recipient, subject, date, (long long)clock_unix_ms(), (int)getpid());
    return size > 0 && (size_t)size < sizeof text ? spill_from_bytes(text, (size_t)size) : NULL;
}

static bool is_address(const char *text)
{
    return text && strlen(text) < ADMIN_NAME_SIZE && strchr(text, '@') &&
           strcspn(text, "\r\n<> ") == strlen(text);
}

static void begin_test(struct request *request, const char *recipient)
{
    struct try *try = calloc(1, sizeof *try);
    if (try)
        try->data = sample(recipient, "A test message from mxhook");
    if (!try || !try->data || atomic_load(&request->admin->ended)) {
        free(try);
        response_error(request, 503, "the server cannot do that now");
        return;
    }
    try->admin = request->admin;
    try->request = request;
    try->task.run = hand_in;
    snprintf(try->recipient, sizeof try->recipient, "%s", recipient);
    request_audit(request, "test", recipient, 1);
    request_suspend(request);
    loop_queue_push(request->admin->to_loop, &try->task);
}

void api_test(struct request *request)
{
    if (request->test_reply) {
        char *reply = strchr(request->test_reply, '\n');
        struct json *json = response_json(request);
        if (!json)
            return;
        *reply++ = 0;
        json_begin_object(json);
        json_pair(json, "id", request->test_reply);
        json_pair(json, "reply", reply);
        json_end_object(json);
        return;
    }
    if (atomic_load(&request->admin->ended)) {
        response_error(request, 503, "the server is stopping");
        return;
    }
    struct lua_State *L = request_body(request);
    if (!L)
        return;
    const char *recipient = body_text(L, "recipient");
    if (is_address(recipient))
        begin_test(request, recipient);
    else
        response_error(request, 400, "recipient: an address that your rules serve");
    lua_close(L);
}

/* ---- What is missing ---- */

static void write_step(struct json *json, const char *name, bool fine, const char *now,
                       const char *how)
{
    json_begin_object(json);
    json_pair(json, "name", name);
    json_pair_boolean(json, "ok", fine);
    json_pair(json, "now", now);
    json_pair(json, "how", fine ? NULL : how);
    json_end_object(json);
}

static void join(char *text, size_t size, const char *part)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used ? ", " : "", part);
}

static void write_listeners(struct json *json, const struct smtp_config *smtp)
{
    char text[1024] = "", one[SOCKET_ADDRESS_SIZE];
    bool port_25 = false;
    for (size_t i = 0; i < smtp->listen_count; i++) {
        socket_format_address(&smtp->listen[i], smtp->listen[i].port, one);
        join(text, sizeof text, one);
        port_25 |= smtp->listen[i].port == 25 && !smtp->listen[i].lmtp;
    }
    write_step(json, "Port 25", port_25, text,
               "Mail servers of others come to port 25. Set listen = { \"0.0.0.0:25\", \"[::]:25\" "
               "}, unless "
               "another mail server hands the mail over, or a container's port is mapped.");
}

void api_setup(struct request *request)
{
    const struct config *c = request->config;
    char domains[1024] = "", text[1400];
    struct json *json = response_json(request);
    if (!json)
        return;
    for (size_t i = 0; i < c->smtp.domain_count; i++)
        join(domains, sizeof domains, c->smtp.domains[i]);
    json_begin_object(json);
    json_key(json, "steps");
    json_begin_array(json);
    write_step(json, "Domains", c->smtp.domain_count > 0 && !strstr(domains, "example."), domains,
               "Set domains = { ... } to those that mail is taken for, and reload.");
    double rules = metric_value(METRIC_RULES, NULL, NULL);
    snprintf(text, sizeof text, "%.0f rule%s in %s", rules, rules == 1 ? "" : "s",
             c->rules.directory);
    write_step(json, "Rules", rules > 0, text,
               "Write a rule into that folder: return { alias { [\"hook@example.com\"] = "
               "\"https://...\" } }.");
    write_listeners(json, &c->smtp);
    write_step(json, "Certificate", c->tls.certificate_count > 0,
               c->tls.certificate_count > 0 ? c->tls.certificates[0].certificate
                                            : "none: mail comes in clear",
               "Set tls = { certificates = { { certificate = \"...\", key = \"...\" } } }.");
    write_step(json, "Host name", strchr(c->hostname, '.') != NULL, c->hostname,
               "Set hostname to the full name that your MX record points at.");
    json_end_array(json);
    json_key(json, "dns"); /* what is to be there: nothing is looked up */
    json_begin_array(json);
    for (size_t i = 0; i < c->smtp.domain_count; i++) {
        snprintf(text, sizeof text, "%s. MX 10 %s.", c->smtp.domains[i], c->hostname);
        json_text(json, text);
    }
    snprintf(text, sizeof text, "the PTR of this machine's address: %s.", c->hostname);
    json_text(json, text);
    json_end_array(json);
    json_end_object(json);
}
