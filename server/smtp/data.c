#include "data.h"

#include <string.h>

/* A message that is all stuffed dots makes runs of a few bytes: short ones are gathered, so that
 * the sink, which may be a file, is not called for each. */
#define GATHER_SIZE  4096
#define GATHER_BELOW 512

struct output {
    const struct data_sink *sink;
    size_t gathered;
    char bytes[GATHER_SIZE];
};

enum line_end { LINE_END_NONE, LINE_END_CRLF, LINE_END_BARE };

void data_scanner_init(struct data_scanner *scanner)
{
    scanner->state = DATA_TEXT;
    memcpy(scanner->last, "\r\n", 2); /* the CRLF of the DATA command */
    scanner->smuggling = false;
}

static void output_flush(struct output *output)
{
    if (output->gathered > 0)
        output->sink->write(output->sink->context, output->bytes, output->gathered);
    output->gathered = 0;
}

static void output_put(struct output *output, const char *bytes, size_t size)
{
    if (size >= GATHER_BELOW || size > GATHER_SIZE - output->gathered)
        output_flush(output);
    if (size >= GATHER_BELOW) {
        output->sink->write(output->sink->context, bytes, size);
        return;
    }
    memcpy(output->bytes + output->gathered, bytes, size);
    output->gathered += size;
}

static enum line_end line_end_before(const struct data_scanner *scanner, const char *bytes,
                                     size_t at)
{
    char last = at > 0 ? bytes[at - 1] : scanner->last[1];
    char before = at > 1 ? bytes[at - 2] : scanner->last[at];
    if (last == '\n')
        return before == '\r' ? LINE_END_CRLF : LINE_END_BARE;
    return last == '\r' ? LINE_END_BARE : LINE_END_NONE;
}

static void remember_last(struct data_scanner *scanner, const char *bytes, size_t size)
{
    if (size > 1)
        memcpy(scanner->last, bytes + size - 2, 2);
    else if (size == 1) {
        scanner->last[0] = scanner->last[1];
        scanner->last[1] = bytes[0];
    }
}

/* From `at` to the next dot that begins a line; sets the state that it leads to. Returns where that
 * dot is, or `size`. */
static size_t find_line_dot(struct data_scanner *scanner, const char *bytes, size_t at, size_t size)
{
    const char *dot;
    while ((dot = memchr(bytes + at, '.', size - at))) {
        at = (size_t)(dot - bytes);
        enum line_end before = line_end_before(scanner, bytes, at);
        if (before == LINE_END_CRLF)
            scanner->state = DATA_DOT;
        else if (before == LINE_END_BARE)
            scanner->state = DATA_ODD_DOT;
        if (before != LINE_END_NONE)
            return at;
        at++;
    }
    return size;
}

/* The byte after a dot that begins a line. True: it belongs to the dot, and is not passed on. */
static bool after_dot(struct data_scanner *scanner, char c)
{
    enum data_state state = scanner->state;
    scanner->state = DATA_TEXT;
    if (state == DATA_DOT && c == '\r') {
        scanner->state = DATA_DOT_CR;
        return true;
    }
    if (state == DATA_DOT_CR && c == '\n') {
        scanner->state = DATA_END;
        return true;
    }
    if (state == DATA_DOT_CR || c == '\r' || c == '\n')
        scanner->smuggling = true;
    return false;
}

size_t data_scan(struct data_scanner *scanner, const char *bytes, size_t size,
                 const struct data_sink *sink)
{
    struct output output; /* its 4 KiB are not worth clearing for each piece */
    output.sink = sink;
    output.gathered = 0;
    size_t at = 0, run = 0; /* from run to at: passed on */
    while (at < size && scanner->state != DATA_END) {
        if (scanner->state != DATA_TEXT) {
            if (after_dot(scanner, bytes[at]))
                run = ++at;
            continue;
        }
        at = find_line_dot(scanner, bytes, at, size);
        if (scanner->state == DATA_DOT) {
            output_put(&output, bytes + run, at - run);
            run = at + 1;
        }
        if (scanner->state != DATA_TEXT)
            at++;
    }
    output_put(&output, bytes + run, at - run);
    output_flush(&output);
    remember_last(scanner, bytes, at);
    return at;
}
