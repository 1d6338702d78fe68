#include "address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "buffer.h"
#include "charset.h"
#include "utf8.h"
#include "words.h"

#define ANGLE_MAX 1000u /* bytes between < and >; a < with more behind it is left out */

/* One value while it is read. An entry is what stands between two commas. */
struct scan {
    struct address_reader *reader;
    struct arena *arena;
    const char *text, *end;
    const char *last_quote, *last_semicolon, *last_word; /* past the last of each */
    const char *charset;                                 /* of raw 8-bit text: charset_guess()'s */
    bool no_comments;                                    /* one was never closed */
    bool decoded;         /* the text comes out of an encoded word or quotes */
    bool angles;          /* the entry has an address in angle brackets */
    bool before_is_word;  /* what is in `before` is one word without quotes */
    struct buffer phrase; /* the entry's words, quotes taken away, encoded words as they stood */
    struct buffer bare;   /* the same without what angles had, quotes kept: for bare addresses */
    struct buffer comment;
    struct buffer before; /* phrases without an address before: "Doe" of "Doe, John <a@b>" */
};

/* --- Mailboxes --- */

static int append(struct scan *scan, const char *name, const char *email)
{
    struct address_reader *reader = scan->reader;
    if (reader->count == ADDRESSES_MAX || (!name && !email))
        return 0;
    if (reader->count == reader->capacity) {
        size_t capacity = reader->capacity ? reader->capacity * 2 : 8;
        struct mailbox *grown = realloc(reader->items, capacity * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        reader->items = grown;
        reader->capacity = capacity;
    }
    reader->items[reader->count++] = (struct mailbox){name, email};
    return 0;
}

/* A phrase as text: decoded, without NUL, trimmed. NULL in *out where nothing is left. */
static int keep_name(struct scan *scan, const struct buffer *phrase, const char **out)
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

/* --- Addresses --- */

/* Without the blanks that may stand around "@" and dots (RFC 5322 section 4.4). */
static size_t close_up(char *text, size_t size)
{
    size_t kept = 0;
    for (size_t i = 0; i < size; i++) {
        if (is_space(text[i])) {
            size_t next = i;
            while (next < size && is_space(text[next]))
                next++;
            bool joins = next < size && (text[next] == '@' || text[next] == '.');
            if (joins || (kept > 0 && (text[kept - 1] == '@' || text[kept - 1] == '.')))
                i = next - 1;
            else
                text[kept++] = text[i];
        } else {
            text[kept++] = text[i];
        }
    }
    return kept;
}

static bool is_readable(const char *email, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)email[i] < ' ' || email[i] == 0x7f)
            return false;
    return size > 0 && utf8_valid_size(email, size) == size;
}

/* Takes "mailto:", a URL's query, and a route (RFC 5322 section 4.4) away. */
static void strip(const char **email, size_t *size)
{
    const char *colon;
    if (*size > 7 && strncasecmp(*email, "mailto:", 7) == 0) {
        *email += 7;
        *size -= 7;
        const char *query = memchr(*email, '?', *size);
        *size = query ? (size_t)(query - *email) : *size;
    }
    if (*size > 0 && **email == '@' && (colon = memchr(*email, ':', *size))) {
        *size -= (size_t)(colon + 1 - *email);
        *email = colon + 1;
    }
}

/* Has it more than one "@" outside of quotes? Readers differ about whose it is. */
static bool is_ambiguous(const char *email, size_t size)
{
    size_t count = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        quoted ^= email[i] == '"';
        count += email[i] == '@' && !quoted;
    }
    return count > 1;
}

static int keep_email(struct scan *scan, const char *email, size_t size, const char **out)
{
    strip(&email, &size);
    if (is_ambiguous(email, size) || memmem(email, size, "=?", 2))
        size = 0;
    *out = is_readable(email, size) ? arena_strndup(scan->arena, email, size) : NULL;
    return *out || !is_readable(email, size) ? 0 : -ENOMEM;
}

/* The word around an "@" at or after *begin, outside of quotes and encoded words; false: there is
 * none. `last`: words_end() of the text, or `text` where nothing in it is encoded. */
static bool find_address(const char *text, size_t size, const char *last, size_t *begin,
                         size_t *end)
{
    bool quoted = false;
    size_t start = *begin;
    for (size_t at = *begin; at < size; at++) {
        char c = text[at];
        const char *word = c == '=' ? words_skip(text + at, text + size, last) : NULL;
        if (word)
            at = (size_t)(word - text) - 1;
        else if (quoted && c == '\\' && at + 1 < size)
            at++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (is_space(c) || strchr("<>(),;", c)))
            start = at + 1;
        else if (!quoted && c == '@' && at > start) {
            for (at++; at < size && !is_space(text[at]) && !strchr("<>(),;\"", text[at]);)
                at++;
            if (text[at - 1] == '@')
                continue;
            *begin = start;
            *end = at;
            return true;
        }
    }
    return false;
}

/* Without comments; a "(" that is never closed stays. */
static size_t drop_comments(char *text, size_t size)
{
    size_t kept = 0, begin = 0;
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (depth == 0 && c == '"')
            quoted = !quoted;
        if (!quoted && c == '(' && depth++ == 0)
            begin = kept;
        text[kept++] = c;
        if (c == '\\' && i + 1 < size)
            text[kept++] = text[++i];
        else if (c == ')' && depth > 0 && --depth == 0)
            kept = begin;
    }
    return kept;
}

/* What stands between angle brackets, as an email; NULL in *out where it is none. */
static int angle_email(struct scan *scan, const char *text, size_t size, const char **out)
{
    struct buffer email = {0};
    size_t begin = 0, end;
    bool word = memmem(text, size, "=?", 2) && !memchr(text, '@', size);
    int status = word && !scan->decoded ? words_decode_as(&email, text, size, scan->charset)
                                        : buffer_append(&email, text, size);
    *out = NULL;
    if (status == 0 && email.size > 0) {
        char *bytes = email.bytes;
        email.size = drop_comments(bytes, email.size);
        size_t skip = 0;
        while (skip < email.size && is_space(bytes[skip]))
            skip++;
        size_t left = close_up(bytes + skip, email.size - skip);
        while (left > 0 && is_space(bytes[skip + left - 1]))
            left--;
        end = left;
        bool blanks = false;
        for (size_t i = 0; i < left; i++)
            blanks = blanks || is_space(bytes[skip + i]);
        if (!blanks || find_address(bytes + skip, left, bytes + skip, &begin, &end))
            status = keep_email(scan, bytes + skip + begin, end - begin, out);
    }
    buffer_free(&email);
    return status;
}

/* --- Entries --- */

static int read_text(struct scan *scan);

/* A phrase that may hold a mailbox, or a list: "Support <support@x>" in quotes or encoded. True where
 * it did. */
static int read_inside(struct scan *scan, const char *phrase, bool *found)
{
    size_t size = strlen(phrase), begin = 0, end, first = scan->reader->count;
    *found = false;
    if (scan->decoded || !find_address(phrase, size, phrase, &begin, &end))
        return 0;
    struct scan inner = {.reader = scan->reader,
                         .arena = scan->arena,
                         .text = phrase,
                         .end = phrase + size,
                         .decoded = true};
    int status = read_text(&inner);
    *found = scan->reader->count > first;
    return status;
}

/* Keeps a phrase without an address until it is known what follows; it is a mailbox of its own where
 * that is no name. */
static int flush_before(struct scan *scan)
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
    return scan->before_is_word ? append(scan, NULL, name) : append(scan, name, NULL);
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

static int end_phrase(struct scan *scan)
{
    int status = 0;
    scan->before_is_word = scan->before.size == 0 && is_word(&scan->bare);
    if (scan->before.size > 0)
        status = buffer_append(&scan->before, ", ", 2);
    return status == 0 ? buffer_append(&scan->before, scan->phrase.bytes, scan->phrase.size)
                       : status;
}

/* Words without quotes and angles: addresses, each with the words before it for a name. */
static int read_bare(struct scan *scan, bool *found)
{
    struct buffer *bare = &scan->bare, words = {0};
    size_t at = 0, begin = 0, end;
    const char *name, *email;
    int status = 0;
    *found = false;
    bare->size = bare->size ? close_up(bare->bytes, bare->size) : 0;
    const char *last = bare->bytes;
    if (bare->size > 0 && !scan->decoded)
        last = words_end(bare->bytes, bare->bytes + bare->size);
    while (status == 0 && bare->size > 0 &&
           find_address(bare->bytes, bare->size, last, &begin, &end)) {
        if (!*found)
            status = flush_before(scan);
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
            status = append(scan, name, email);
        at = begin = end;
        *found = true;
    }
    buffer_free(&words);
    return status;
}

/* "Ann (ann@b.example)" */
static int read_comment_address(struct scan *scan, bool *found)
{
    const struct buffer *comment = &scan->comment;
    size_t begin = 0, end;
    const char *name, *email;
    *found = comment->size > 0 &&
             find_address(comment->bytes, comment->size, comment->bytes, &begin, &end);
    if (!*found)
        return 0;
    int status = flush_before(scan);
    if (status == 0)
        status = keep_name(scan, &scan->phrase, &name);
    if (status == 0)
        status = keep_email(scan, comment->bytes + begin, end - begin, &email);
    return status == 0 ? append(scan, name, email) : status;
}

static int end_entry(struct scan *scan)
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
    scan->angles = false;
    return status;
}

/* A mailbox that ends with an address in angles. */
static int add_angle(struct scan *scan, const char *text, size_t size)
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
        status = append(scan, name, email);
    scan->phrase.size = scan->bare.size = scan->comment.size = 0;
    scan->angles = true;
    return status;
}

/* "<a@b> Ann": the name stands behind. */
static int name_behind(struct scan *scan)
{
    struct mailbox *last = &scan->reader->items[scan->reader->count - 1];
    const char *name;
    int status = 0;
    if (scan->angles && scan->reader->count > 0 && !last->name &&
        !memchr(scan->bare.size ? scan->bare.bytes : "", '@', scan->bare.size)) {
        status = keep_name(scan, scan->phrase.size ? &scan->phrase : &scan->comment, &name);
        if (status == 0)
            last->name = name;
    }
    return status;
}

/* --- Characters --- */

/* What `(` at `at` closes with; NULL: nothing. */
static const char *comment_end(struct scan *scan, const char *at)
{
    unsigned depth = 0;
    for (const char *c = at; !scan->no_comments && c < scan->end; c++) {
        if (*c == '\\' && scan->end - c > 1)
            c++;
        else if (*c == '(')
            depth++;
        else if (*c == ')' && --depth == 0)
            return c;
    }
    scan->no_comments = true;
    return NULL;
}

static const char *quote_end(const struct scan *scan, const char *at)
{
    for (const char *c = at + 1; c < scan->last_quote; c++) {
        const char *word = scan->decoded ? NULL : words_skip(c, scan->end, scan->last_word);
        if (word)
            c = word - 1;
        else if (*c == '\\' && scan->end - c > 1)
            c++;
        else if (*c == '"')
            return c;
    }
    return NULL;
}

/* The > that closes the < before `at`; where there is none, but the entry ends, that: *closed is false
 * then. NULL where another < comes first: "<Bob <b@x>>". */
static const char *angle_end(const struct scan *scan, const char *at, bool *closed)
{
    size_t near = (size_t)(scan->end - at) < ANGLE_MAX ? (size_t)(scan->end - at) : ANGLE_MAX;
    const char *stop = NULL, *close = NULL;
    bool quoted = false;
    const char *c = at;
    for (; c < at + near && *c != '<'; c++) {
        if (quoted && *c == '\\' && c + 1 < at + near)
            c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (*c == '>' && !quoted)
            break;
        else if (*c == '>' && !close)
            close = c; /* of quotes that are never closed */
        else if (!stop && (*c == ',' || *c == ';'))
            stop = c;
    }
    *closed = (c < at + near && *c == '>') || close;
    if (*closed)
        return c < at + near && *c == '>' ? c : close;
    if (c < at + near)
        return NULL;
    return stop ? stop : c == scan->end ? c : NULL;
}

/* Text inside quotes or a comment, without its backslashes and line ends. */
static int append_inside(struct buffer *to, const char *at, const char *end)
{
    int status = 0;
    for (; at < end && status == 0; at++) {
        if (*at == '\\' && end - at > 1)
            at++;
        if (*at != '\r' && *at != '\n')
            status = buffer_append_byte(to, *at);
    }
    return status;
}

/* A letter of the phrase; blanks in a row are one. */
static int append_plain(struct scan *scan, char c)
{
    struct buffer *phrase = &scan->phrase;
    char kept = is_space(c) ? ' ' : c;
    int status = 0;
    if (kept != ' ' || (phrase->size > 0 && phrase->bytes[phrase->size - 1] != ' '))
        status = buffer_append_byte(phrase, kept);
    return status == 0 ? buffer_append_byte(&scan->bare, kept) : status;
}

static int append_both(struct scan *scan, const char *at, const char *end)
{
    int status = buffer_append(&scan->phrase, at, (size_t)(end - at));
    return status == 0 ? buffer_append(&scan->bare, at, (size_t)(end - at)) : status;
}

/* A colon ends a group's name where the group has an end, or nothing in it. */
static bool ends_group_name(const struct scan *scan, const char *colon)
{
    const char *next = colon + 1;
    while (next < scan->end && is_space(*next))
        next++;
    bool address = scan->bare.size > 0 && memchr(scan->bare.bytes, '@', scan->bare.size);
    return !address && !scan->angles &&
           (colon < scan->last_semicolon || next == scan->end || *next == ',');
}

/* Reads what begins at `at`; where it ends is returned, or NULL for -ENOMEM. */
static const char *read_quoted(struct scan *scan, const char *at)
{
    const char *end = quote_end(scan, at);
    if (!end)
        return append_plain(scan, ' ') == 0 ? at + 1 : NULL;
    if (append_inside(&scan->phrase, at + 1, end) != 0 ||
        buffer_append(&scan->bare, at, (size_t)(end + 1 - at)) != 0)
        return NULL;
    return end + 1;
}

static const char *read_comment(struct scan *scan, const char *at)
{
    const char *end = comment_end(scan, at);
    if (!end)
        return append_plain(scan, *at) == 0 ? at + 1 : NULL;
    int status = scan->comment.size ? buffer_append_byte(&scan->comment, ' ') : 0;
    if (status == 0)
        status = append_inside(&scan->comment, at + 1, end);
    return status == 0 && append_plain(scan, ' ') == 0 ? end + 1 : NULL;
}

static const char *read_angle(struct scan *scan, const char *at)
{
    bool closed;
    const char *end = angle_end(scan, at + 1, &closed);
    if (!end)
        return append_plain(scan, ' ') == 0 ? at + 1 : NULL;
    if (add_angle(scan, at + 1, (size_t)(end - at - 1)) != 0)
        return NULL;
    while (closed && end < scan->end && *end == '>') /* "<<a@b>>" */
        end++;
    return end;
}

static const char *read_separator(struct scan *scan, const char *at)
{
    if (*at == ':' && ends_group_name(scan, at)) {
        scan->phrase.size = scan->bare.size = scan->comment.size = scan->before.size = 0;
        return at + 1;
    }
    if (*at == ':')
        return append_plain(scan, ':') == 0 ? at + 1 : NULL;
    int status = name_behind(scan);
    if (status == 0)
        status = end_entry(scan);
    if (status == 0 && *at == ';')
        status = flush_before(scan);
    return status == 0 ? at + 1 : NULL;
}

static const char *read_next(struct scan *scan, const char *at)
{
    const char *word = scan->decoded ? NULL : words_skip(at, scan->end, scan->last_word);
    if (word)
        return append_both(scan, at, word) == 0 ? word : NULL;
    switch (*at) {
    case '"': return read_quoted(scan, at);
    case '(': return read_comment(scan, at);
    case '<': return read_angle(scan, at);
    case ',':
    case ';':
    case ':': return read_separator(scan, at);
    case '[':
        if (scan->bare.size > 0 && scan->bare.bytes[scan->bare.size - 1] == '@') {
            const char *close = memchr(at, ']', (size_t)(scan->end - at)); /* an IP address */
            if (close && close - at < 64)
                return append_both(scan, at, close + 1) == 0 ? close + 1 : NULL;
        }
        break;
    default: break;
    }
    return append_plain(scan, *at) == 0 ? at + 1 : NULL;
}

static const char *past_last(const struct scan *scan, char c)
{
    const char *last = memrchr(scan->text, c, (size_t)(scan->end - scan->text));
    return last ? last + 1 : scan->text;
}

static int read_text(struct scan *scan)
{
    scan->last_quote = past_last(scan, '"');
    scan->last_semicolon = past_last(scan, ';');
    scan->last_word = words_end(scan->text, scan->end);
    const char *at = scan->text;
    while (at && at < scan->end && scan->reader->count < ADDRESSES_MAX)
        at = read_next(scan, at);
    int status = at ? name_behind(scan) : -ENOMEM;
    if (status == 0)
        status = end_entry(scan);
    if (status == 0)
        status = flush_before(scan);
    buffer_free(&scan->phrase);
    buffer_free(&scan->bare);
    buffer_free(&scan->comment);
    buffer_free(&scan->before);
    return status;
}

int address_read(struct address_reader *reader, struct arena *arena, const char *raw, size_t size)
{
    struct scan scan = {.reader = reader,
                        .arena = arena,
                        .text = raw,
                        .end = raw + size,
                        .charset = charset_guess(raw, size)};
    return size > 0 ? read_text(&scan) : 0;
}

int address_finish(struct address_reader *reader, struct arena *arena, struct mailbox_list *list)
{
    size_t size = reader->count * sizeof *reader->items;
    int status = 0;
    *list = (struct mailbox_list){0};
    if (size > 0) {
        list->items = arena_alloc(arena, size);
        if (list->items) {
            memcpy(list->items, reader->items, size);
            list->count = reader->count;
        } else {
            status = -ENOMEM;
        }
    }
    free(reader->items);
    *reader = (struct address_reader){0};
    return status;
}

const struct mailbox *address_first(const struct mailbox_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].email)
            return &list->items[i];
    return list->count > 0 ? &list->items[0] : NULL;
}

const char *address_domain(const struct mailbox *mailbox)
{
    const char *at = mailbox->email ? strrchr(mailbox->email, '@') : NULL;
    return at && at[1] ? at + 1 : NULL;
}
