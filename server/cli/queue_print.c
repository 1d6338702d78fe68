/* What `mxhook queue` shows: list, show, origins. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../deliver/reference.h"
#include "../mail/json.h"
#include "pretty.h"
#include "queue.h"

/* ---- list ---- */

void queue_print_line(const struct delivery *d, const struct pauses *pauses)
{
    char due[WHEN_SIZE];
    bool failed = d->state == DELIVERY_FAILED;
    printf("%s %-9s %u %s ", d->id, queue_state(d, pauses), d->attempts,
           when_write(failed ? 0 : d->due_ms, due));
    pretty_text(d->recipient);
    putchar(' ');
    pretty_url(d->destination.url);
    if (d->about)
        printf(" (tells that %s has failed)", d->about);
    if (queue_node_of(d))
        printf(" (node %d)", queue_node_of(d));
    if (d->last_status)
        printf(" %d", d->last_status);
    if (d->last_error && *d->last_error) {
        putchar(' ');
        pretty_text(d->last_error);
    }
    putchar('\n');
}

struct listing {
    struct json *json; /* NULL: lines */
    struct pauses pauses;
};

static int list_one(void *context, const struct delivery *d)
{
    struct listing *listing = context;
    if (!listing->json) {
        queue_print_line(d, &listing->pauses);
        return 0;
    }
    json_begin_object(listing->json);
    queue_json_delivery(listing->json, d, &listing->pauses);
    json_end_object(listing->json);
    return 0;
}

int queue_print_list(struct queue *queue, const struct queue_arguments *arguments,
                     struct error *err)
{
    struct queue_json *out = arguments->json ? queue_json_new() : NULL;
    struct listing listing = {.json = out ? queue_json_writer(out) : NULL};
    if (arguments->json && !out)
        return error_set(err, -ENOMEM, "out of memory");
    if (out)
        json_begin_array(listing.json);
    int code = queue_pauses(queue, false, &listing.pauses, err);
    if (code == 0)
        code = queue_list(queue, &arguments->filter, list_one, &listing, err);
    pauses_free(&listing.pauses);
    if (!out)
        return code;
    json_end_array(listing.json);
    int printed = queue_json_print(out);
    return code ? code : printed;
}

/* ---- show ---- */

static void print_row(const char *name, const char *value)
{
    printf("%-12s ", name);
    pretty_text(value);
    putchar('\n');
}

/* As it is, for a program; on a terminal without what acts on that. */
static void put_bytes(const char *bytes, size_t size)
{
    if (!isatty(STDOUT_FILENO)) {
        fwrite(bytes, 1, size, stdout);
        return;
    }
    for (size_t i = 0, line; i < size; i += line) {
        const char *end = memchr(bytes + i, '\n', size - i);
        line = end ? (size_t)(end - bytes) - i : size - i;
        pretty_safe(stdout, bytes + i, line);
        if (end) {
            putchar('\n');
            line++;
        }
    }
}

static int print_payload(const struct payload *payload, struct error *err)
{
    char buffer[16384];
    uint64_t offset = 0;
    ssize_t n;
    while ((n = payload_read(payload, offset, buffer, sizeof buffer)) > 0) {
        put_bytes(buffer, (size_t)n);
        offset += (uint64_t)n;
    }
    putchar('\n');
    return n < 0 ? error_set(err, (int)n, "payload: %s", strerror((int)-n)) : 0;
}

static void print_header(const char *header)
{
    const char *reference = reference_of_header(header);
    printf("%-12s %.*s: %s", "header", (int)strcspn(header, ":="), header,
           reference ? "from " : "(not shown)");
    if (reference)
        pretty_text(reference);
    putchar('\n');
}

/* Passwords in URLs and values of headers are secrets as well as the secret is. */
static void print_destination(const struct destination *to)
{
    printf("%-12s ", "destination");
    pretty_url(to->url);
    putchar('\n');
    if (!destination_is_mail(to))
        print_row("signed", to->secret ? "yes" : "no");
    for (size_t i = 0; i < to->header_count; i++)
        print_header(to->headers[i]);
}

static int print_attempt(void *context, const struct queue_attempt *attempt)
{
    char text[WHEN_SIZE];
    (void)context;
    printf("%-12s %s status=%d ms=%" PRId64 " ", "attempt", when_write(attempt->at_ms, text),
           attempt->status, attempt->ms);
    pretty_text(attempt->error);
    putchar('\n');
    if (attempt->reply_size > 0) {
        char reply[2048];
        snprintf(reply, sizeof reply, "%.*s", (int)attempt->reply_size,
                 (const char *)attempt->reply);
        print_row("  answered", reply);
    }
    return 0;
}

static void print_pause(const struct pause *pause)
{
    char since[WHEN_SIZE], text[PAUSE_REASON_SIZE + 100];
    snprintf(text, sizeof text, "since %s%s%s", when_write(pause->since_ms, since),
             *pause->reason ? ": " : "", pause->reason);
    print_row("paused", text);
}

static int show_text(struct queue *queue, struct delivery *d, const struct pauses *pauses,
                     struct error *err)
{
    const struct pause *pause = pauses_find_url(pauses, delivery_origin(d));
    char text[WHEN_SIZE];
    print_row("id", d->id);
    if (d->about)
        print_row("about", d->about);
    print_row("state", queue_state(d, pauses));
    if (queue_node_of(d))
        printf("%-12s %d\n", "node", queue_node_of(d));
    if (pause && d->state != DELIVERY_FAILED)
        print_pause(pause);
    print_destination(&d->destination);
    if (d->via)
        print_row("via", d->via);
    print_row("sender", d->sender);
    if (d->mail_from)
        print_row("mail-from", *d->mail_from ? d->mail_from : "<>");
    print_row("recipient", d->recipient);
    print_row("created", when_write(d->created_ms, text));
    print_row("due", when_write(d->state == DELIVERY_FAILED ? 0 : d->due_ms, text));
    printf("%-12s %u\n", "attempts", d->attempts);
    printf("%-12s %d\n", "last-status", d->last_status);
    print_row("last-error", d->last_error ? d->last_error : "");
    int code = queue_attempts(queue, d, print_attempt, NULL, err);
    printf("%-12s %" PRIu64 "\n\n", "size", payload_size(d->payload));
    return code == 0 ? print_payload(d->payload, err) : code;
}

static int add_attempt(void *context, const struct queue_attempt *attempt)
{
    struct json *json = context;
    json_begin_object(json);
    queue_json_time(json, "at", attempt->at_ms);
    json_pair_number(json, "ms", attempt->ms);
    json_pair_number(json, "status", attempt->status);
    json_pair(json, "error", attempt->error);
    json_key(json, "reply");
    json_string(json, attempt->reply ? attempt->reply : "", attempt->reply_size);
    json_end_object(json);
    return 0;
}

static int show_json(struct queue *queue, struct delivery *d, const struct pauses *pauses,
                     struct error *err)
{
    struct queue_json *out = queue_json_new();
    if (!out)
        return error_set(err, -ENOMEM, "out of memory");
    struct json *json = queue_json_writer(out);
    json_begin_object(json);
    queue_json_delivery(json, d, pauses);
    json_pair_number(json, "size", (int64_t)payload_size(d->payload));
    json_key(json, "tries");
    json_begin_array(json);
    int code = queue_attempts(queue, d, add_attempt, json, err);
    json_end_array(json);
    json_end_object(json);
    int printed = queue_json_print(out);
    return code ? code : printed;
}

int queue_print_show(struct queue *queue, const struct queue_arguments *arguments,
                     struct error *err)
{
    struct delivery *d = NULL;
    struct pauses pauses = {0};
    int code = queue_pauses(queue, false, &pauses, err);
    if (code == 0)
        code = queue_show(queue, arguments->operands[0], &d, err);
    if (code == 0)
        code =
            arguments->json ? show_json(queue, d, &pauses, err) : show_text(queue, d, &pauses, err);
    delivery_free(d);
    pauses_free(&pauses);
    return code;
}
