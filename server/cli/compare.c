#include "compare.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/redact.h"
#include "../rules/dictionary.h"
#include "pretty.h"
#include "route_print.h"

/* ---- One message ---- */

static void write_destination(FILE *out, const struct destination *to)
{
    const char *rest;
    int before = (int)redact_userinfo(to->url, &rest);
    fprintf(out, " %.*s%s%s", before, to->url, rest, to->secret ? " (signed)" : "");
    for (size_t i = 0; i < to->header_count; i++) /* values may be secret */
        fprintf(out, " +%.*s", (int)strcspn(to->headers[i], ":="), to->headers[i]);
}

/* What came of it as text: reply, destinations, headers that the rules changed. The caller's to free; NULL: no memory. */
static char *describe(const struct trial *trial)
{
    char *text = NULL;
    size_t size;
    const struct reply *reply = trial_reply(trial);
    const struct header_list *headers = &trial->verdict->headers;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%d", reply->code);
    if (reply->code != 250)
        fprintf(out, " %s %s", reply->enhanced, reply->text);
    for (size_t i = 0; i < trial->verdict->destination_count; i++)
        write_destination(out, &trial->verdict->destinations[i]);
    if (reply->code == 250 && trial->verdict->destination_count == 0)
        fputs(" dropped", out);
    for (size_t i = 0; trial->verdict->destination_count > 0 && i < headers->count; i++)
        if (!route_has_field(&trial->before, &headers->items[i]))
            fprintf(out, " [%s: %s]", headers->items[i].name, headers->items[i].value);
    return fclose(out) == 0 ? text : NULL;
}

static int run_one(const struct compare *compare, struct ruleset *rules, struct spill *data,
                   const struct trial_envelope *envelope, char **outcome, char **whom,
                   struct error *err)
{
    struct trial *trial = NULL;
    dictionary_clear();
    int code = trial_run(compare->config, rules, data, envelope, &trial, err);
    if (code != 0)
        return code;
    *outcome = describe(trial);
    *whom = strdup(trial_recipient(trial));
    trial_free(trial);
    return *outcome && *whom ? 0 : error_set(err, -ENOMEM, "not enough memory");
}

static void print_difference(const char *name, const char *recipient, const char *first,
                             const char *second)
{
    pretty_text(name);
    fputs("  ", stdout);
    pretty_text(recipient);
    fputs("\n  - ", stdout);
    pretty_text(first);
    fputs("\n  + ", stdout);
    pretty_text(second);
    putchar('\n');
}

int compare_recipient(struct compare *compare, const char *name, struct spill *data,
                      const struct trial_envelope *envelope, struct error *err)
{
    char *first = NULL, *second = NULL, *whom = NULL, *again = NULL;
    int code = run_one(compare, compare->rules, data, envelope, &first, &whom, err);
    if (code == 0)
        code = run_one(compare, compare->others, data, envelope, &second, &again, err);
    if (code == 0) {
        compare->outcomes++;
        if (strcmp(first, second) != 0) {
            compare->different++;
            print_difference(name, whom, first, second);
        }
    }
    free(first);
    free(second);
    free(whom);
    free(again);
    return code;
}

static int compare_message(struct compare *compare, const char *name, const char *bytes,
                           size_t size, struct error *err)
{
    struct spill *data = spill_from_bytes(bytes, size);
    if (!data)
        return error_set(err, -ENOMEM, "not enough memory");
    compare->messages++;
    struct trial_envelope envelope = {.recipient = NULL};
    int code =
        compare->recipient_count == 0 ? compare_recipient(compare, name, data, &envelope, err) : 0;
    for (size_t i = 0; code == 0 && i < compare->recipient_count; i++) {
        envelope.recipient = compare->recipients[i];
        code = compare_recipient(compare, name, data, &envelope, err);
    }
    spill_free(data);
    return code;
}

/* ---- Where they are ---- */

static bool is_from_line(const char *line, const char *end)
{
    return end - line >= 5 && memcmp(line, "From ", 5) == 0;
}

/* The end of the message of an mbox that begins at `text`: before the next line "From " that an empty line stands
 * before (RFC 4155 appendix A), or `end`. */
static const char *end_of_message(const char *text, const char *end)
{
    bool empty = false;
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *next = newline ? newline + 1 : end;
        if (empty && is_from_line(line, end))
            return line;
        empty = next - line <= 2 && (*line == '\n' || *line == '\r');
        line = next;
    }
    return end;
}

static int compare_mbox(struct compare *compare, const char *path, const char *text, size_t size,
                        struct error *err)
{
    const char *end = text + size;
    char name[4200];
    int code = 0;
    for (size_t number = 1; code == 0 && text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *start = newline ? newline + 1 : end, *stop = end_of_message(start, end);
        snprintf(name, sizeof name, "%s:%zu", path, number);
        code = compare_message(compare, name, start, (size_t)(stop - start), err);
        text = stop;
    }
    return code;
}

static int compare_file(struct compare *compare, const char *path, struct error *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code = fd < 0 || fstat(fd, &status) != 0 ? -errno : 0;
    size_t size = code == 0 ? (size_t)status.st_size : 0;
    char *text = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (text == MAP_FAILED)
        code = -errno;
    if (fd >= 0)
        close(fd);
    if (code != 0)
        return error_set(err, code, "%s: %s", path, strerror(-code));
    if (!text)
        return 0;
    code = is_from_line(text, text + size) ? compare_mbox(compare, path, text, size, err)
                                           : compare_message(compare, path, text, size, err);
    munmap(text, size);
    return code;
}

/* nftw() hands no context on. One thread, one walk at a time. */
static struct {
    struct compare *compare;
    struct error *err;
    int code;
} walking;

static int visit(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)ftw;
    if (type == FTW_F)
        walking.code = compare_file(walking.compare, path, walking.err);
    return walking.code;
}

int compare_run(struct compare *compare, const char *path, struct error *err)
{
    walking.compare = compare;
    walking.err = err;
    walking.code = 0;
    if (nftw(path, visit, 16, 0) != 0 && walking.code == 0)
        walking.code = error_set(err, -errno, "%s: %s", path, strerror(errno));
    return walking.code;
}
