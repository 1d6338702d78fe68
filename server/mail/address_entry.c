/* address_entry.c - what stands between two commas of a list, as mailboxes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/ascii.h"
#include "addr_spec.h"
#include "address_scan.h"
#include "words.h"

/* --- Mailboxes --- */

/* A phrase as text: decoded, without NUL, trimmed. NULL in *out where nothing is left. */
static int keep_name(struct address_scan *scan, const struct buffer *phrase, const char **out)
{
    struct buffer name = {0};
    int status = 0;
    *out = NULL;
    if (phrase->size > 0)
        status = scan->decoded ? buffer_append(&name, phrase->bytes, phrase->size)
                               : words_decode_as(&name, phrase->bytes, phrase->size, scan->charset);
    buffer_drop_nul(&name);
    size_t begin = 0, end = name.size;
    while (begin < end && is_space(name.bytes[begin]))
        begin++;
    while (end > begin && is_space(name.bytes[end - 1]))
        end--;
    if (status == 0 && end > begin) {
        *out = arena_strndup(scan->arena, name.bytes + begin, end - begin);
        status = *out ? 0 : -ENOMEM;
    }
    buffer_free(&name);
    return status;
}

static int keep_email(struct address_scan *scan, const char *email, size_t size, const char **out)
{
    addr_spec_strip(&email, &size);
    if (addr_spec_is_ambiguous(email, size) || memmem(email, size, "=?", 2))
        size = 0;
    *out = addr_spec_is_readable(email, size) ? arena_strndup(scan->arena, email, size) : NULL;
    return *out || !addr_spec_is_readable(email, size) ? 0 : -ENOMEM;
}

/* What stands between angle brackets, as an email; NULL in *out where it is none. */
static int angle_email(struct address_scan *scan, const char *text, size_t size, const char **out)
{
    struct buffer email = {0};
    size_t begin = 0, end;
    bool word = memmem(text, size, "=?", 2) && !memchr(text, '@', size);
    int status = word && !scan->decoded ? words_decode_as(&email, text, size, scan->charset)
                                        : buffer_append(&email, text, size);
    *out = NULL;
    if (status == 0 && email.size > 0) {
        char *bytes = email.bytes;
        email.size = addr_spec_drop_comments(bytes, email.size);
        size_t skip = 0;
        while (skip < email.size && is_space(bytes[skip]))
            skip++;
        size_t left = addr_spec_close_up(bytes + skip, email.size - skip);
        while (left > 0 && is_space(bytes[skip + left - 1]))
            left--;
        end = left;
        bool blanks = false;
        for (size_t i = 0; i < left; i++)
            blanks = blanks || is_space(bytes[skip + i]);
        if (!blanks || addr_spec_find(bytes + skip, left, bytes + skip, &begin, &end))
            status = keep_email(scan, bytes + skip + begin, end - begin, out);
    }
    buffer_free(&email);
    return status;
}

/* --- Entries --- */

/* A phrase that may hold a mailbox, or a list: "Support <support@x>" in quotes or encoded. True where
 * it did. */
static int read_inside(struct address_scan *scan, const char *phrase, bool *found)
{
    size_t size = strlen(phrase), begin = 0, end, first = scan->reader->count;
    *found = false;
    if (scan->decoded || !addr_spec_find(phrase, size, phrase, &begin, &end))
        return 0;
    struct address_scan inner = {.reader = scan->reader,
                                 .arena = scan->arena,
                                 .text = phrase,
                                 .end = phrase + size,
                                 .read = scan->read,
                                 .decoded = true};
    int status = scan->read(&inner);
    *found = scan->reader->count > first;
    return status;
}

int address_flush(struct address_scan *scan)
{
    const char *name;
    bool found = false;
    int status = keep_name(scan, &scan->before, &name);
    scan->before.size = 0;
    if (status == 0 && name)
        status = read_inside(scan, name, &found);
    if (status < 0 || !name || found)
        return status;
    /* One word is a user without a domain (RFC 822 section 6.2.2): "root". */
    return scan->before_is_word ? address_append(scan->reader, NULL, name)
                                : address_append(scan->reader, name, NULL);
}

static bool is_word(const struct buffer *text)
{
    size_t end = text->size;
    while (end > 0 && text->bytes[end - 1] == ' ')
        end--;
    size_t begin = 0;
    while (begin < end && text->bytes[begin] == ' ')
        begin++;
    for (size_t i = begin; i < end; i++)
        if (text->bytes[i] <= ' ' || text->bytes[i] == 0x7f ||
            strchr("\"=?@[]:\\<>()", text->bytes[i]))
            return false;
    return end > begin;
}

static int end_phrase(struct address_scan *scan)
{
    int status = 0;
    scan->before_is_word = scan->before.size == 0 && is_word(&scan->bare);
    if (scan->before.size > 0)
        status = buffer_append(&scan->before, ", ", 2);
    return status == 0 ? buffer_append(&scan->before, scan->phrase.bytes, scan->phrase.size)
                       : status;
}

/* Words without quotes and angles: addresses, each with the words before it for a name. */
static int read_bare(struct address_scan *scan, bool *found)
{
    struct buffer *bare = &scan->bare, words = {0};
    size_t at = 0, begin = 0, end;
    const char *name, *email;
    int status = 0;
    *found = false;
    bare->size = bare->size ? addr_spec_close_up(bare->bytes, bare->size) : 0;
    const char *last = bare->bytes;
    if (bare->size > 0 && !scan->decoded)
        last = words_end(bare->bytes, bare->bytes + bare->size);
    while (status == 0 && bare->size > 0 &&
           addr_spec_find(bare->bytes, bare->size, last, &begin, &end)) {
        if (!*found)
            status = address_flush(scan);
        words.size = 0;
        size_t stop = begin;
        while (stop > at && (is_space(bare->bytes[stop - 1]) || bare->bytes[stop - 1] == ':'))
            stop--;
        if (status == 0)
            status = buffer_append(&words, bare->bytes + at, stop - at);
        for (size_t i = words.size; i-- > 0;)
            if (words.bytes[i] == '"')
                words.bytes[i] = ' ';
        if (status == 0)
            status = keep_name(scan, words.size || *found ? &words : &scan->comment, &name);
        bool inside = false; /* not a name: another reader shows its address too */
        if (status == 0 && name && words.size > 0)
            status = read_inside(scan, name, &inside);
        name = inside ? NULL : name;
        if (status == 0)
            status = keep_email(scan, bare->bytes + begin, end - begin, &email);
        if (status == 0)
            status = address_append(scan->reader, name, email);
        at = begin = end;
        *found = true;
    }
    buffer_free(&words);
    return status;
}

/* "Ann (ann@b.example)" */
static int read_comment_address(struct address_scan *scan, bool *found)
{
    const struct buffer *comment = &scan->comment;
    size_t begin = 0, end;
    const char *name, *email;
    *found = comment->size > 0 &&
             addr_spec_find(comment->bytes, comment->size, comment->bytes, &begin, &end);
    if (!*found)
        return 0;
    int status = address_flush(scan);
    if (status == 0)
        status = keep_name(scan, &scan->phrase, &name);
    if (status == 0)
        status = keep_email(scan, comment->bytes + begin, end - begin, &email);
    return status == 0 ? address_append(scan->reader, name, email) : status;
}

int address_end_entry(struct address_scan *scan)
{
    bool found = false;
    int status = read_bare(scan, &found);
    bool words = false;
    for (size_t i = 0; i < scan->phrase.size; i++)
        words = words || !is_space(scan->phrase.bytes[i]);
    if (status == 0 && !found && !scan->angles)
        status = read_comment_address(scan, &found);
    if (status == 0 && !found && !scan->angles && words)
        status = end_phrase(scan);
    scan->phrase.size = scan->bare.size = scan->comment.size = 0;
    scan->at_sign = false;
    scan->angles = false;
    return status;
}

int address_add_angle(struct address_scan *scan, const char *text, size_t size)
{
    const char *name, *email;
    int status = angle_email(scan, text, size, &email);
    if (status == 0 && scan->before.size > 0) {
        status = scan->phrase.size ? end_phrase(scan) : 0;
        if (status == 0)
            status = keep_name(scan, &scan->before, &name);
        scan->before.size = 0;
    } else if (status == 0) {
        status = keep_name(scan, scan->phrase.size ? &scan->phrase : &scan->comment, &name);
    }
    if (status == 0)
        status = address_append(scan->reader, name, email);
    scan->phrase.size = scan->bare.size = scan->comment.size = 0;
    scan->at_sign = false;
    scan->angles = true;
    return status;
}

int address_name_behind(struct address_scan *scan)
{
    struct address_reader *reader = scan->reader;
    const char *name;
    int status = 0;
    if (!scan->angles || reader->count == 0)
        return 0;
    struct mailbox *last = &reader->items[reader->count - 1];
    if (!last->name && !scan->at_sign) {
        status = keep_name(scan, scan->phrase.size ? &scan->phrase : &scan->comment, &name);
        if (status == 0)
            last->name = name;
    }
    return status;
}
