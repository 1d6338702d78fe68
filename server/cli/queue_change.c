/*
 * What `mxhook queue` changes. It says what it did, or with --dry-run would do; what concerns many is
 * asked for first where somebody sits at a terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/redact.h"
#include "../mail/json.h"
#include "pretty.h"
#include "queue.h"

struct change {
    const char *verb, *done; /* "drop", "dropped" */
    enum history_action action;
    int (*one)(struct queue *, const char *, struct error *);
    int64_t (*all)(struct queue *, const struct queue_arguments *, struct error *);
};

static int64_t retry_all(struct queue *queue, const struct queue_arguments *arguments,
                         struct error *err)
{
    return queue_retry_all(queue, &arguments->filter, err);
}

static int64_t drop_all(struct queue *queue, const struct queue_arguments *arguments,
                        struct error *err)
{
    return queue_drop_all(queue, &arguments->filter, err);
}

static int64_t edit_all(struct queue *queue, const struct queue_arguments *arguments,
                        struct error *err)
{
    return queue_edit(queue, &arguments->edit, NULL, &arguments->filter, err);
}

static const struct change retry = {"retry", "due now", HISTORY_RETRY, queue_retry, retry_all};
static const struct change drop = {"drop", "dropped", HISTORY_DROP, queue_drop, drop_all};
static const struct change edit = {"edit", "edited", HISTORY_EDIT, NULL,
                                   edit_all}; /* one: edit_ids() */

/* E-mail stays as it is in an edit. */
static bool concerns(const struct change *change, const struct delivery *d)
{
    return change != &edit || !destination_is_mail(&d->destination);
}

struct counting {
    const struct change *change;
    int64_t count;
};

static int count_one(void *context, const struct delivery *d)
{
    struct counting *counting = context;
    counting->count += concerns(counting->change, d);
    return 0;
}

static int edit_ids(struct queue *queue, const struct queue_arguments *arguments,
                    struct error *err);

/* ---- What it would concern ---- */

struct preview {
    const struct change *change;
    struct json *json; /* NULL: lines */
    struct pauses pauses;
};

static int preview_one(void *context, const struct delivery *d)
{
    struct preview *preview = context;
    if (!concerns(preview->change, d))
        return 0;
    if (!preview->json) {
        queue_print_line(d, &preview->pauses);
        return 0;
    }
    json_begin_object(preview->json);
    queue_json_delivery(preview->json, d, &preview->pauses);
    json_end_object(preview->json);
    return 0;
}

static int preview_ids(struct queue *queue, const struct queue_arguments *arguments,
                       struct preview *preview, struct error *err)
{
    int code = 0;
    for (int i = 0; i < arguments->operand_count && code == 0; i++) {
        struct delivery *d = NULL;
        struct error why = {""};
        code = queue_show(queue, arguments->operands[i], &d, &why);
        if (code == 0)
            preview_one(preview, d);
        else if (code == -ENOENT)
            error_set(err, code, "%.300s", why.text);
        else
            code = 0; /* what cannot be read may be dropped all the same */
        delivery_free(d);
    }
    return code;
}

static int dry_run(struct queue *queue, const struct queue_arguments *arguments,
                   const struct change *change, struct error *err)
{
    struct queue_json *out = arguments->json ? queue_json_new() : NULL;
    struct preview preview = {.change = change, .json = out ? queue_json_writer(out) : NULL};
    if (arguments->json && !out)
        return error_set(err, -ENOMEM, "out of memory");
    if (out)
        json_begin_array(preview.json);
    int code = queue_pauses(queue, false, &preview.pauses, err);
    if (code == 0)
        code = arguments->has_filter
                   ? queue_list(queue, &arguments->filter, preview_one, &preview, err)
                   : preview_ids(queue, arguments, &preview, err);
    pauses_free(&preview.pauses);
    if (!out)
        return code;
    json_end_array(preview.json);
    int printed = queue_json_print(out);
    return code ? code : printed;
}

/* ---- Changing it ---- */

static int print_count(const struct queue_arguments *arguments, const struct change *change,
                       int64_t count)
{
    if (!arguments->json) {
        printf("%" PRId64 " %s\n", count, change->done);
        return 0;
    }
    struct queue_json *out = queue_json_new();
    if (!out)
        return -ENOMEM;
    struct json *json = queue_json_writer(out);
    json_begin_object(json);
    json_pair(json, "action", change->verb);
    json_pair_number(json, "count", count);
    json_end_object(json);
    return queue_json_print(out);
}

/* True: go on. Nobody is asked whose input is no terminal, as in a script. */
static bool is_wanted(const struct queue_arguments *arguments, const struct change *change,
                      int64_t count)
{
    char answer[16];
    if (arguments->yes || count == 0 || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return true;
    fprintf(stderr, "%s %" PRId64 " deliver%s? [y/N] ", change->verb, count,
            count == 1 ? "y" : "ies");
    return fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
}

static int change_all(struct queue *queue, const struct queue_arguments *arguments,
                      const struct change *change, struct error *err)
{
    struct counting counting = {.change = change};
    int code = queue_list(queue, &arguments->filter, count_one, &counting, err);
    if (code != 0)
        return code;
    if (!is_wanted(arguments, change, counting.count))
        return error_set(err, -ECANCELED, "nothing was changed");
    int64_t count = change->all(queue, arguments, err);
    return count < 0 ? (int)count : print_count(arguments, change, count);
}

static void describe(const struct change *change, const struct delivery *d,
                     const struct pauses *pauses)
{
    printf("%s %s (it was %s after %u attempt%s): ", d->id, change->done, queue_state(d, pauses),
           d->attempts, d->attempts == 1 ? "" : "s");
    pretty_text(d->recipient);
    putchar(' ');
    pretty_url(d->destination.url);
    putchar('\n');
}

static int change_one(struct queue *queue, const struct queue_arguments *arguments,
                      const struct change *change, const char *id, const struct pauses *pauses,
                      struct error *err)
{
    struct delivery *d = NULL;
    struct error why;
    int shown =
        queue_show(queue, id, &d, &why); /* what cannot be read may be dropped all the same */
    int code = shown == -ENOENT ? error_set(err, shown, "%.300s", why.text) : 0;
    if (code == 0)
        code = change->one(queue, id, err);
    if (code == 0 && !arguments->json && d)
        describe(change, d, pauses);
    delivery_free(d);
    return code;
}

static int run(struct queue *queue, const struct queue_arguments *arguments,
               const struct change *change, struct error *err)
{
    struct pauses pauses = {0};
    if (arguments->dry_run)
        return dry_run(queue, arguments, change, err);
    if (arguments->has_filter)
        return change_all(queue, arguments, change, err);
    if (!change->one)
        return edit_ids(queue, arguments, err);
    int code = queue_pauses(queue, false, &pauses, err);
    for (int i = 0; i < arguments->operand_count && code == 0; i++)
        code = change_one(queue, arguments, change, arguments->operands[i], &pauses, err);
    pauses_free(&pauses);
    if (code == 0 && arguments->json)
        code = print_count(arguments, change, arguments->operand_count);
    return code;
}

/* The same, noted in the history: `words`, by what. */
static int run_noted(struct queue *queue, const struct queue_arguments *arguments,
                     const struct change *change, const char *words, struct error *err)
{
    struct noting *noting =
        arguments->dry_run ? NULL : queue_noting_new(arguments->loaded, change->action, words);
    if (!arguments->dry_run && !noting)
        return error_set(err, -ENOMEM, "out of memory");
    if (noting)
        queue_on_change(queue, queue_noting_add, noting);
    int code = run(queue, arguments, change, err);
    queue_noting_end(noting);
    return code;
}

/* ---- retry: what must wait all the same ---- */

struct waits {
    struct waited {
        struct queue_hold hold;
        int64_t count;
        char name[LANE_SIZE]; /* of one of them */
    } *list;
    size_t count;
    int64_t paused;
    struct pauses pauses;
};

static int note_hold(void *context, const struct queue_hold *hold)
{
    struct waits *waits = context;
    struct waited *grown = realloc(waits->list, (waits->count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    grown[waits->count++] = (struct waited){.hold = *hold};
    waits->list = grown;
    return 0;
}

static int note_waiting(void *context, const struct delivery *d)
{
    struct waits *waits = context;
    const char *url = delivery_origin(d);
    uint64_t origin = origin_key(url), lane = lane_key(url);
    waits->paused += pauses_find(&waits->pauses, origin, lane) != NULL;
    for (size_t i = 0; i < waits->count; i++) {
        struct waited *w = &waits->list[i];
        if (w->hold.origin != origin || (w->hold.lane && w->hold.lane != lane))
            continue;
        if (w->count++ == 0)
            lane_of(url, w->name);
    }
    return 0;
}

static int note_ids(struct queue *queue, const struct queue_arguments *arguments,
                    struct waits *waits)
{
    int code = 0;
    for (int i = 0; i < arguments->operand_count && code == 0; i++) {
        struct delivery *d = NULL;
        struct error unheard; /* run() comes to it, and says so */
        if (queue_show(queue, arguments->operands[i], &d, &unheard) == 0)
            code = note_waiting(waits, d);
        delivery_free(d);
    }
    return code;
}

/* Says it on stderr: what is on stdout is for programs. */
static int tell_wait(struct queue *queue, const struct queue_arguments *arguments,
                     const struct waited *w, struct error *err)
{
    char until[WHEN_SIZE];
    int code = arguments->now ? queue_probe(queue, &w->hold, err) : 0;
    if (code != 0)
        return code;
    char why[40] = "as it asked (429 or 503)";
    if (w->hold.failures > 0)
        snprintf(why, sizeof why, "after %u failure%s", w->hold.failures,
                 w->hold.failures == 1 ? "" : "s");
    fprintf(stderr, "%" PRId64 " of them go%s to %s, held until %s %s%s\n", w->count,
            w->count == 1 ? "es" : "", w->name, when_write(w->hold.until_ms, until), why,
            arguments->now ? ": it is probed at once" : " (--now probes it at once)");
    return 0;
}

static int tell_waits(struct queue *queue, const struct queue_arguments *arguments,
                      struct waits *waits, struct error *err)
{
    int code = queue_pauses(queue, false, &waits->pauses, err);
    if (code == 0)
        code = queue_holds(queue, note_hold, waits, err);
    if (code == 0 && arguments->has_filter)
        code = queue_list(queue, &arguments->filter, note_waiting, waits, err);
    else if (code == 0)
        code = note_ids(queue, arguments, waits);
    for (size_t i = 0; i < waits->count && code == 0; i++)
        if (waits->list[i].count > 0)
            code = tell_wait(queue, arguments, &waits->list[i], err);
    if (code == 0 && waits->paused > 0)
        fprintf(stderr,
                "%" PRId64
                " of them wait%s until %s destination is resumed (mxhook destination list)\n",
                waits->paused, waits->paused == 1 ? "s" : "", waits->paused == 1 ? "its" : "their");
    return code;
}

int queue_change_retry(struct queue *queue, const struct queue_arguments *arguments,
                       struct error *err)
{
    struct waits waits = {0};
    int told = arguments->dry_run ? 0 : tell_waits(queue, arguments, &waits, err);
    free(waits.list);
    pauses_free(&waits.pauses);
    return told ? told : run_noted(queue, arguments, &retry, "mxhook queue retry", err);
}

/* ---- edit ---- */

static int edit_ids(struct queue *queue, const struct queue_arguments *arguments, struct error *err)
{
    int64_t done = 0, count = 0;
    for (int i = 0; i < arguments->operand_count && count >= 0; i++) {
        const char *id = arguments->operands[i];
        count = queue_edit(queue, &arguments->edit, id, NULL, err);
        if (count == 0)
            fprintf(stderr, "mxhook queue: %s is e-mail: it stays as it is\n", id);
        done += count > 0 ? count : 0;
    }
    if (count < 0)
        return (int)count;
    return print_count(arguments, &edit, done);
}

/* What it does, for the history: without what others may not see. */
static void describe_edit(const struct queue_edit *to, char words[REDACT_SIZE + 64])
{
    char url[REDACT_SIZE] = "";
    if (to->url)
        redact_url(to->url, url);
    snprintf(words, REDACT_SIZE + 64, "mxhook queue edit:%s%s%s%s", to->url ? " to " : "", url,
             to->secret ? " another secret" : "", to->unsign ? " unsigned" : "");
}

int queue_change_edit(struct queue *queue, const struct queue_arguments *arguments,
                      struct error *err)
{
    char words[REDACT_SIZE + 64];
    describe_edit(&arguments->edit, words);
    return run_noted(queue, arguments, &edit, words, err);
}

int queue_change_drop(struct queue *queue, const struct queue_arguments *arguments,
                      struct error *err)
{
    return run_noted(queue, arguments, &drop, "mxhook queue drop", err);
}
