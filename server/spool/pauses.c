#include "pauses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/clock.h"
#include "../base/log.h"

static int compare_keys(uint64_t a_origin, uint64_t a_lane, const struct pause *b)
{
    if (a_origin != b->origin)
        return a_origin < b->origin ? -1 : 1;
    return a_lane < b->lane ? -1 : a_lane > b->lane;
}

/* The place of that one, or where it would stand. */
static size_t place(const struct pauses *pauses, uint64_t origin, uint64_t lane)
{
    size_t low = 0, high = pauses->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_keys(origin, lane, &pauses->list[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct pause *pauses_exact(const struct pauses *pauses, uint64_t origin, uint64_t lane)
{
    if (!pauses || pauses->count == 0)
        return NULL;
    size_t at = place(pauses, origin, lane);
    return at < pauses->count && compare_keys(origin, lane, &pauses->list[at]) == 0
               ? &pauses->list[at]
               : NULL;
}

const struct pause *pauses_find(const struct pauses *pauses, uint64_t origin, uint64_t lane)
{
    const struct pause *whole = pauses_exact(pauses, origin, 0);
    return whole || lane == 0 ? whole : pauses_exact(pauses, origin, lane);
}

const struct pause *pauses_find_url(const struct pauses *pauses, const char *url)
{
    return pauses && pauses->count > 0 ? pauses_find(pauses, origin_key(url), lane_key(url)) : NULL;
}

int pauses_add(struct pauses *pauses, const struct pause *pause)
{
    size_t at = place(pauses, pause->origin, pause->lane);
    if (at < pauses->count && compare_keys(pause->origin, pause->lane, &pauses->list[at]) == 0) {
        pauses->list[at] = *pause;
        return 0;
    }
    if (pauses->count == PAUSES_MAX)
        return -E2BIG;
    struct pause *grown = realloc(pauses->list, (pauses->count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memmove(grown + at + 1, grown + at, (pauses->count - at) * sizeof *grown);
    grown[at] = *pause;
    pauses->list = grown;
    pauses->count++;
    return 0;
}

int pauses_copy(struct pauses *to, const struct pauses *from)
{
    *to = (struct pauses){0};
    if (from->count == 0)
        return 0;
    to->list = malloc(from->count * sizeof *to->list);
    if (!to->list)
        return -ENOMEM;
    memcpy(to->list, from->list, from->count * sizeof *to->list);
    to->count = from->count;
    return 0;
}

void pauses_free(struct pauses *pauses)
{
    free(pauses->list);
    *pauses = (struct pauses){0};
}

bool pauses_equal(const struct pauses *a, const struct pauses *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (compare_keys(a->list[i].origin, a->list[i].lane, &b->list[i]) != 0 ||
            strcmp(a->list[i].reason, b->list[i].reason) != 0)
            return false;
    return true;
}

/* ---- What an operator names ---- */

static bool has_scheme(const char *text, const char *scheme)
{
    return strncasecmp(text, scheme, strlen(scheme)) == 0;
}

/* Which host that would be, readers of URLs do not agree on; rules refuse it too. */
static bool has_two_ats(const char *url)
{
    const char *begin = strstr(url, "://"), *end;
    if (!begin)
        return false;
    begin += 3;
    end = begin + strcspn(begin, "/?#");
    const char *first = memchr(begin, '@', (size_t)(end - begin));
    return first && memchr(first + 1, '@', (size_t)(end - first - 1));
}

/* NULL: it names something. */
static const char *objection(const char *text)
{
    char host[ORIGIN_SIZE];
    host_of(text, host);
    if (has_scheme(text, "mx:"))
        return text[3] ? NULL : "a domain is expected after mx:";
    if (!strstr(text, "://") && strchr(text, '@'))
        return "mail is paused by its domain, as in mx:example.net, or by its smarthost, as in "
               "smtp://relay.example:25 (mxhook queue origins shows them)";
    if (!has_scheme(text, "http://") && !has_scheme(text, "https://") &&
        !has_scheme(text, "smtp://") && !has_scheme(text, "smtps://"))
        return "a URL is expected, http:// or https://, or an origin of e-mail as `mxhook queue "
               "origins` shows it";
    if (has_two_ats(text))
        return "the URL has more than one '@': write those of a user or password as %40";
    return *host ? NULL : "the URL has no host";
}

int pause_named(const char *text, bool whole_origin, const char *reason, struct pause *pause,
                struct error *err)
{
    const char *why = objection(text);
    if (why)
        return error_set(err, -EINVAL, "%.200s: %s", text, why);
    if (reason && strlen(reason) >= PAUSE_REASON_SIZE)
        return error_set(err, -EINVAL, "the reason is longer than %d bytes", PAUSE_REASON_SIZE - 1);
    bool whole = whole_origin || has_scheme(text, "mx:") || has_scheme(text, "smtp");
    *pause = (struct pause){.origin = origin_key(text),
                            .lane = whole ? 0 : lane_key(text),
                            .since_ms = clock_unix_ms()};
    if (whole)
        origin_of(text, pause->name);
    else
        lane_of(text, pause->name);
    if (reason)
        strcpy(pause->reason, reason);
    return 0;
}

void pauses_log(const struct pauses *from, const struct pauses *to)
{
    for (size_t i = 0; i < to->count; i++) {
        const struct pause *pause = &to->list[i];
        if (!pauses_exact(from, pause->origin, pause->lane))
            log_warn("destination-paused", NULL,
                     LOG_TEXT(pause->lane ? "destination" : "origin", pause->name),
                     LOG_TEXT("reason", pause->reason));
    }
    for (size_t i = 0; i < from->count; i++) {
        const struct pause *pause = &from->list[i];
        if (!pauses_exact(to, pause->origin, pause->lane))
            log_info("destination-resumed", NULL,
                     LOG_TEXT(pause->lane ? "destination" : "origin", pause->name));
    }
}
