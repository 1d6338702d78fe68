#include "words.h"

#include <ctype.h>
#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "charset.h"
#include "utf8.h"

#define CHARSET_MAX 64

struct word {
    const char *charset, *text, *end; /* end: past the closing "?=" */
    size_t charset_size, text_size;
    bool base64;
};

/* The closing "?=" of a text that begins at `text`; NULL where there is none, or another word
 * begins before it. */
static const char *closing(const char *text, const char *end, bool base64)
{
    const char *doubtful = NULL;
    for (const char *at = text; at < end && (at = memchr(at, '?', (size_t)(end - at))); at++) {
        bool closes = end - at > 1 && at[1] == '=';
        bool begins = at > text && at[-1] == '=';
        if (!closes && (base64 || begins))
            return doubtful;
        /* A raw question mark before an encoded byte, "=?utf-8?q?why?=20not?=", looks like the end.
         */
        if (closes && !base64 && !doubtful && hex_byte(at + 2, end) >= 0)
            doubtful = at;
        else if (closes)
            return at;
    }
    return doubtful;
}

/* So looking for a word's end never fails far away, and
 * a field of nothing but beginnings costs no more than any other. */
const char *words_end(const char *begin, const char *end)
{
    for (const char *at = end; at > begin && (at = memrchr(begin, '=', (size_t)(at - begin)));)
        if (at > begin && at[-1] == '?')
            return at + 1;
    return begin;
}

/* Reads an encoded word that begins at `at`, which is "=?". */
static bool word_read(const char *at, const char *end, struct word *word)
{
    const char *charset = at + 2;
    size_t near = end - charset < CHARSET_MAX ? (size_t)(end - charset) : CHARSET_MAX;
    const char *mark = memchr(charset, '?', near);
    if (!mark || mark == charset || end - mark < 4 || mark[2] != '?')
        return false;
    for (const char *c = charset; c < mark; c++)
        if (is_space(*c) || *c == '=')
            return false;
    char encoding = (char)tolower((unsigned char)mark[1]);
    if (encoding != 'b' && encoding != 'q')
        return false;
    const char *close = closing(mark + 3, end, encoding == 'b');
    if (!close)
        return false;
    const char *language = memchr(charset, '*', (size_t)(mark - charset)); /* RFC 2231 section 5 */
    *word = (struct word){
        .charset = charset,
        .charset_size = (size_t)((language ? language : mark) - charset),
        .text = mark + 3,
        .text_size = (size_t)(close - mark - 3),
        .end = close + 2,
        .base64 = encoding == 'b',
    };
    return true;
}

static bool same_charset(const struct word *a, const struct word *b)
{
    return a->charset_size == b->charset_size &&
           strncasecmp(a->charset, b->charset, a->charset_size) == 0;
}

static int append_q(struct buffer *bytes, const struct word *word)
{
    const char *end = word->text + word->text_size;
    int status = 0;
    for (const char *c = word->text; c < end && status == 0; c++) {
        int byte = *c == '=' ? hex_byte(c + 1, end) : -1;
        if (byte >= 0) {
            status = buffer_append_byte(bytes, (char)byte);
            c += 2;
        } else if (*c != '\r' && *c != '\n') {
            status = buffer_append_byte(bytes, *c == '_' ? ' ' : *c);
        }
    }
    return status;
}

/* The state goes on over adjacent words, for those who cut one base64 stream anywhere. */
struct base64_state {
    gint state;
    guint save;
};

static int append_base64(struct buffer *bytes, const struct word *word, struct base64_state *base64)
{
    unsigned char out[128];
    int status = 0;
    for (size_t at = 0; at < word->text_size && status == 0;) {
        size_t take = word->text_size - at < 128 ? word->text_size - at : 128;
        gsize got = g_base64_decode_step(word->text + at, take, out, &base64->state, &base64->save);
        status = buffer_append(bytes, (char *)out, got);
        at += take;
    }
    /* Padding ends a stream: what follows begins anew. */
    if (memchr(word->text, '=', word->text_size))
        *base64 = (struct base64_state){0};
    return status;
}

/* Where a stream stops without padding, its last bytes are still to come. */
static int end_base64(struct buffer *bytes, struct base64_state *base64)
{
    unsigned char out[4];
    int pending = base64->state < 0 ? -base64->state : base64->state;
    gsize got = 0;
    if (pending == 2 || pending == 3)
        got = g_base64_decode_step("==", (gsize)(4 - pending), out, &base64->state, &base64->save);
    *base64 = (struct base64_state){0};
    return buffer_append(bytes, (char *)out, got);
}

/* A value is one line, also where somebody has encoded a line end. */
static int append_line(struct buffer *to, const char *charset, const struct buffer *bytes)
{
    size_t begin = to->size;
    int status = charset_append(to, charset, bytes->bytes, bytes->size);
    for (size_t i = begin; i < to->size; i++)
        if (to->bytes[i] == '\r' || to->bytes[i] == '\n')
            to->bytes[i] = ' ';
    return status;
}

/* Decodes the run of adjacent words that begins at *at, and moves *at behind it. Words of one
 * charset are converted together, since a character may be cut between them. */
static int decode_run(struct buffer *to, const char **at, const char *end)
{
    struct buffer bytes = {0};
    struct base64_state base64 = {0};
    struct word word, next;
    int status = 0;
    bool more = word_read(*at, end, &word);
    while (more && status == 0) {
        status = word.base64 ? append_base64(&bytes, &word, &base64) : append_q(&bytes, &word);
        if (status < 0)
            break;
        const char *after = word.end;
        while (after < end && is_space(*after))
            after++;
        more =
            end - after > 2 && after[0] == '=' && after[1] == '?' && word_read(after, end, &next);
        bool joined = more && same_charset(&word, &next);
        if (!joined || !next.base64)
            status = end_base64(&bytes, &base64);
        if (!joined && status == 0) {
            char charset[CHARSET_MAX];
            memcpy(charset, word.charset, word.charset_size);
            charset[word.charset_size] = 0;
            status = append_line(to, charset, &bytes);
            bytes.size = 0;
        }
        *at = word.end;
        if (more)
            word = next;
    }
    buffer_free(&bytes);
    return status;
}

/* Text that is no word: unfolded, and UTF-8 or in the charset that it is taken for. */
static int append_plain(struct buffer *to, const char *raw, size_t size, const char *guess)
{
    struct buffer unfolded = {0};
    int status = 0;
    if (memchr(raw, '\n', size)) {
        for (size_t at = 0; at < size && status == 0;) {
            const char *line_end = memchr(raw + at, '\n', size - at);
            size_t stop = line_end ? (size_t)(line_end - raw) : size;
            size_t keep = line_end && stop > at && raw[stop - 1] == '\r' ? stop - 1 : stop;
            status = buffer_append(&unfolded, raw + at, keep - at);
            at = stop + 1;
        }
        raw = unfolded.bytes;
        size = unfolded.size;
    }
    if (status == 0 && size > 0)
        status = guess ? charset_append(to, guess, raw, size) : buffer_append(to, raw, size);
    buffer_free(&unfolded);
    return status;
}

static const char *next_word(const char *at, const char *end, struct word *word)
{
    while (at < end && (at = memmem(at, (size_t)(end - at), "=?", 2))) {
        if (word_read(at, end, word))
            return at;
        at += 2;
    }
    return NULL;
}

const char *words_skip(const char *at, const char *end, const char *last)
{
    struct word word;
    return *at == '=' && last - at > 2 && at[1] == '?' && end >= last && word_read(at, last, &word)
               ? word.end
               : NULL;
}

int words_decode(struct buffer *to, const char *raw, size_t size)
{
    return words_decode_as(to, raw, size, charset_guess(raw, size));
}

int words_decode_as(struct buffer *to, const char *raw, size_t size, const char *guess)
{
    if (size == 0)
        return 0;
    const char *at = raw, *end = raw + size, *last = words_end(raw, end);
    int status = 0;
    while (at < end && status == 0) {
        struct word word;
        const char *begin = next_word(at, last, &word);
        const char *stop = begin ? begin : end;
        status = append_plain(to, at, (size_t)(stop - at), guess);
        at = stop;
        if (begin && status == 0)
            status = decode_run(to, &at, last);
    }
    return status;
}

/* Appends to an address field, inside quotes or a comment: `special` characters are escaped. */
static int append_escaped(struct buffer *to, const struct buffer *text, const char *special)
{
    int status = 0;
    for (size_t i = 0; i < text->size && status == 0; i++) {
        char c = text->bytes[i];
        if (c == 0) {
            status = buffer_append(to, UTF8_REPLACEMENT, 3);
            continue;
        }
        if (strchr(special, c) || c == '\\')
            status = buffer_append_byte(to, '\\');
        if (status == 0)
            status = buffer_append_byte(to, c);
    }
    return status;
}

enum context { OUTSIDE, IN_QUOTES, IN_COMMENT, IN_ANGLES };

static int append_run(struct buffer *to, const char **at, const char *end, enum context context)
{
    struct buffer text = {0};
    int status = decode_run(&text, at, end);
    if (status == 0 && context == OUTSIDE)
        status = buffer_append_byte(to, '"');
    if (status == 0)
        status = append_escaped(to, &text, context == IN_COMMENT ? "()" : "\"");
    if (status == 0 && context == OUTSIDE)
        status = buffer_append(to, "\" ", 2);
    buffer_free(&text);
    return status;
}

struct address_text {
    enum context context;
    unsigned comments; /* how deep */
};

static void follow(struct address_text *state, char c)
{
    switch (state->context) {
    case OUTSIDE:
        if (c == '"')
            state->context = IN_QUOTES;
        else if (c == '<')
            state->context = IN_ANGLES;
        else if (c == '(') {
            state->context = IN_COMMENT;
            state->comments = 1;
        }
        break;
    case IN_QUOTES:
        if (c == '"')
            state->context = OUTSIDE;
        break;
    case IN_ANGLES:
        if (c == '>')
            state->context = OUTSIDE;
        break;
    case IN_COMMENT:
        if (c == '(')
            state->comments++;
        else if (c == ')' && --state->comments == 0)
            state->context = OUTSIDE;
        break;
    }
}

int words_decode_addresses(struct buffer *to, const char *raw, size_t size)
{
    struct buffer plain = {0};
    struct address_text state = {OUTSIDE, 0};
    int status = append_plain(&plain, raw, size, charset_guess(raw, size));
    if (plain.size == 0)
        return status;
    const char *at = plain.bytes, *end = at + plain.size, *last = words_end(at, end);
    while (at < end && status == 0) {
        struct word word;
        if (*at == '=' && last - at > 2 && at[1] == '?' && state.context != IN_ANGLES &&
            word_read(at, last, &word)) {
            status = append_run(to, &at, last, state.context);
            continue;
        }
        if (*at == '\\' && end - at > 1 && state.context != OUTSIDE) {
            status = buffer_append(to, at, 1);
            at++;
        } else {
            follow(&state, *at);
        }
        if (status == 0)
            status = *at ? buffer_append_byte(to, *at) : buffer_append(to, UTF8_REPLACEMENT, 3);
        at++;
    }
    buffer_free(&plain);
    return status;
}
