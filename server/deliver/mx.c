#include "mx.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

static void next_question(struct mx *mx);

static void finish(struct mx *mx, bool final, const char *why)
{
    if (mx->target_count == 0) {
        mx->final = final;
        snprintf(mx->error, sizeof mx->error, "%s", why);
    }
    mx->done(mx);
}

/* ---- Hosts ---- */

static void shuffle(struct mx_host *hosts, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        unsigned random = 0;
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
            return;
        struct mx_host swapped = hosts[i - 1];
        hosts[i - 1] = hosts[random % i];
        hosts[random % i] = swapped;
    }
}

static void shuffle_equal(struct mx *mx)
{
    for (size_t begin = 0, end; begin < mx->host_count; begin = end) {
        for (end = begin + 1;
             end < mx->host_count && mx->hosts[end].preference == mx->hosts[begin].preference;)
            end++;
        shuffle(mx->hosts + begin, end - begin);
    }
}

/* False: the best of them is this server. */
static bool leave_out_own(struct mx *mx)
{
    for (size_t i = 0; i < mx->host_count; i++) {
        if (strcasecmp(mx->hosts[i].name, mx->own_name) != 0)
            continue;
        while (i > 0 && mx->hosts[i - 1].preference == mx->hosts[i].preference)
            i--;
        mx->host_count = i;
        return i > 0;
    }
    return true;
}

static bool is_null_mx(const struct dns_answer *answer)
{
    return answer->count == 1 && strcmp(answer->records[0].data, ".") == 0;
}

/* A name that cannot be asked for is none. */
static void take_hosts(struct mx *mx, const struct dns_answer *answer)
{
    mx->host_count = 0;
    for (size_t i = 0; i < answer->count && mx->host_count < MX_HOSTS_MAX; i++)
        if (dns_name(answer->records[i].data, mx->hosts[mx->host_count].name))
            mx->hosts[mx->host_count++].preference = answer->records[i].preference;
}

static void note_hosts(struct mx *mx, const struct dns_answer *answer)
{
    if (answer->status == DNS_FAILED) {
        finish(mx, false, "DNS gives no answer for its MX");
        return;
    }
    if (answer->status == DNS_RECORDS && is_null_mx(answer)) {
        finish(mx, true, "the domain takes no mail: null MX (5.1.10)");
        return;
    }
    if (answer->status == DNS_RECORDS)
        take_hosts(mx, answer); /* else the domain itself stands there */
    if (!leave_out_own(mx)) {
        finish(mx, true, "mail loop: the domain's best MX is this server (5.4.6)");
        return;
    }
    shuffle_equal(mx);
    mx->asked = RECORD_A;
    next_question(mx);
}

/* ---- Addresses ---- */

static void note_addresses(struct mx *mx, const struct dns_answer *answer)
{
    int family = mx->asked == RECORD_A ? AF_INET : AF_INET6;
    size_t size = mx->asked == RECORD_A ? 4 : 16;
    mx->failed |= answer->status == DNS_FAILED;
    for (size_t i = 0; i < answer->count && mx->target_count < MX_TARGETS_MAX; i++) {
        struct mx_target *target = &mx->targets[mx->target_count];
        if (answer->records[i].size == size &&
            inet_ntop(family, answer->records[i].data, target->address, sizeof target->address)) {
            target->host = mx->host;
            mx->target_count++;
        }
    }
    if (mx->asked == RECORD_A) {
        mx->asked = RECORD_AAAA;
    } else {
        mx->asked = RECORD_A;
        mx->host++;
    }
    next_question(mx);
}

/* ---- Questions ---- */

static void note(struct mx *mx, struct dns_answer *answer)
{
    if (mx->asked == RECORD_MX)
        note_hosts(mx, answer);
    else
        note_addresses(mx, answer);
    dns_answer_unref(answer);
}

static void on_answer(struct dns_waiter *waiter, struct dns_answer *answer)
{
    note((struct mx *)waiter, answer);
}

/* It goes no deeper than the questions are: two for each host. */
static void next_question(struct mx *mx)
{
    int code;
    if (mx->host >= mx->host_count || mx->target_count == MX_TARGETS_MAX) {
        finish(mx, !mx->failed,
               mx->failed ? "DNS gives no answer for its mail server's address"
                          : "no such domain, or no address of its mail server (5.4.4)");
        return;
    }
    mx->waiter.done = on_answer;
    struct dns_answer *answer =
        dns_ask(mx->dns, mx->hosts[mx->host].name, mx->asked, &mx->waiter, &code);
    if (answer)
        note(mx, answer);
    else if (code < 0)
        finish(mx, false, "out of memory");
}

void mx_find(struct mx *mx, struct dns *dns, const char *domain, const char *own_name)
{
    mx->dns = dns;
    mx->own_name = own_name;
    mx->host_count = 1;
    mx->host = mx->target_count = 0;
    mx->failed = mx->final = false;
    mx->asked = RECORD_MX;
    mx->hosts[0].preference = 0;
    if (dns_name(domain, mx->hosts[0].name))
        next_question(mx);
    else
        finish(mx, true, "the domain is none that DNS could know (5.1.2)");
}

void mx_forget(struct mx *mx)
{
    dns_forget(&mx->waiter);
}
