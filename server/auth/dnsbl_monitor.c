#include "dnsbl_monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"

enum list_state {
    LIST_ANSWERS,
    LIST_REFUSES, /* asked all the same: it says so at once */
    LIST_SILENT,  /* not asked, but probed */
};

/* One list; there are as many as configurations have named since the start. */
struct list {
    struct dns_waiter waiter; /* of a probe */
    struct list *next;
    struct dnsbl_monitor *monitor;
    enum list_state state;
    unsigned failures; /* in a row */
    bool probing;
    char zone[DNS_NAME_MAX + 1];
};

struct dnsbl_monitor {
    struct dns *dns;
    uint64_t pause_ms;
    struct list *lists;
    uv_timer_t timer; /* runs while a list is silent */
};

static struct list *find(struct dnsbl_monitor *monitor, const char *zone)
{
    struct list *list = monitor->lists;
    while (list && strcmp(list->zone, zone) != 0)
        list = list->next;
    return list;
}

static struct list *find_or_add(struct dnsbl_monitor *monitor, const char *zone)
{
    struct list *list = find(monitor, zone);
    if (!list && (list = calloc(1, sizeof *list))) {
        snprintf(list->zone, sizeof list->zone, "%s", zone);
        list->monitor = monitor;
        list->next = monitor->lists;
        monitor->lists = list;
    }
    return list;
}

static void set_answers(struct list *list)
{
    if (list->state != LIST_ANSWERS)
        log_info("dnsbl", NULL, LOG_TEXT("zone", list->zone), LOG_TEXT("result", "answers again"));
    list->state = LIST_ANSWERS;
    list->failures = 0;
}

static void on_probed(struct dns_waiter *waiter, struct dns_answer *answer)
{
    struct list *list = (struct list *)waiter;
    list->probing = false;
    if (answer->status != DNS_FAILED)
        set_answers(list);
    dns_answer_unref(answer);
}

static void probe(struct list *list)
{
    static const unsigned char always_listed[4] = {127, 0, 0, 2};
    char name[DNS_NAME_MAX + 1];
    int code;
    if (!dns_reverse_name(always_listed, sizeof always_listed, list->zone, name))
        return;
    list->waiter.done = on_probed;
    list->probing = true;
    struct dns_answer *answer = dns_ask(list->monitor->dns, name, RECORD_A, &list->waiter, &code);
    if (answer)
        on_probed(&list->waiter, answer);
    else if (code < 0)
        list->probing = false;
}

static void on_timer(uv_timer_t *timer)
{
    struct dnsbl_monitor *monitor = timer->data;
    bool silent = false;
    for (struct list *list = monitor->lists; list; list = list->next) {
        if (list->state == LIST_SILENT && !list->probing)
            probe(list);
        silent = silent || list->state == LIST_SILENT;
    }
    if (!silent)
        uv_timer_stop(timer);
}

bool dnsbl_monitor_answers(struct dnsbl_monitor *monitor, const char *zone)
{
    const struct list *list = find(monitor, zone);
    return !list || list->state != LIST_SILENT;
}

static void note_failure(struct list *list)
{
    if (++list->failures < DNSBL_FAILURES || list->state == LIST_SILENT)
        return;
    log_warn("dnsbl", NULL, LOG_TEXT("zone", list->zone),
             LOG_TEXT("result", "no answer: nothing is taken for listed until one comes"));
    list->state = LIST_SILENT;
    if (!uv_is_active((uv_handle_t *)&list->monitor->timer))
        uv_timer_start(&list->monitor->timer, on_timer, list->monitor->pause_ms,
                       list->monitor->pause_ms);
}

void dnsbl_monitor_note(struct dnsbl_monitor *monitor, const struct dnsbl_result *result)
{
    struct list *list = find_or_add(monitor, result->zone);
    if (!list)
        return;
    if (result->failed) {
        note_failure(list);
    } else if (!result->error) {
        set_answers(list);
    } else {
        list->failures = 0;
        if (list->state == LIST_ANSWERS)
            log_warn("dnsbl", NULL, LOG_TEXT("zone", list->zone),
                     LOG_TEXT("result", result->error));
        list->state = LIST_REFUSES;
    }
}

struct dnsbl_monitor *dnsbl_monitor_new(uv_loop_t *loop, struct dns *dns, uint64_t pause_ms)
{
    struct dnsbl_monitor *monitor = calloc(1, sizeof *monitor);
    if (!monitor)
        return NULL;
    monitor->dns = dns;
    monitor->pause_ms = pause_ms;
    monitor->timer.data = monitor;
    uv_timer_init(loop, &monitor->timer);
    return monitor;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void dnsbl_monitor_close(struct dnsbl_monitor *monitor)
{
    if (!monitor)
        return;
    while (monitor->lists) {
        struct list *list = monitor->lists;
        monitor->lists = list->next;
        if (list->probing)
            dns_forget(&list->waiter);
        free(list);
    }
    uv_close((uv_handle_t *)&monitor->timer, on_closed);
}
