#include "pretty.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "../base/printable.h"
#include "../base/redact.h"

#define STRING_SHOWN 300 /* bytes */

struct pretty {
    FILE *out;
    const char *at, *end;
    int indent, depth;
};

void pretty_safe(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0, n; i < size; i += n) {
        n = printable(text + i, size - i);
        if (n == 0)
            fprintf(out, "\\x%02x", (unsigned char)text[i]);
        else
            fwrite(text + i, 1, n, out);
        n += n == 0;
    }
}

void pretty_text(const char *text)
{
    pretty_safe(stdout, text, strlen(text));
}

void pretty_lines(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0, n; i < size; i += n) {
        for (n = 0; i + n < size && text[i + n] != '\n' && text[i + n] != '\t';)
            n++;
        pretty_safe(out, text + i, n);
        if (i + n < size)
            putc(text[i + n++], out);
    }
}

/* A character as JSON escapes it (RFC 8259 section 7). */
static void put_escaped(gunichar c)
{
    if (c > 0xffff) {
        printf("\\u%04x", 0xd800 + ((c - 0x10000) >> 10));
        c = 0xdc00 + ((c - 0x10000) & 0x3ff);
    }
    printf("\\u%04x", c);
}

/* Returns its bytes. */
static size_t put_unprintable(const char *at, size_t size)
{
    gunichar c = g_utf8_get_char_validated(at, (gssize)size);
    if (c > 0x10ffff) { /* not UTF-8, which nothing of ours writes */
        fputs("\\ufffd", stdout);
        return 1;
    }
    put_escaped(c);
    return (size_t)g_unichar_to_utf8(c, NULL);
}

void pretty_program(const char *json, size_t size)
{
    bool terminal = isatty(STDOUT_FILENO);
    if (!terminal)
        fwrite(json, 1, size, stdout);
    for (size_t i = 0; terminal && i < size;) {
        size_t n = json[i] == '\n' ? 1 : printable(json + i, size - i);
        if (n > 0)
            fwrite(json + i, 1, n, stdout);
        i += n > 0 ? n : put_unprintable(json + i, size - i);
    }
}

static void new_line(struct pretty *p)
{
    fprintf(p->out, "\n%*s", p->indent + 2 * p->depth, "");
}

static const char *string_end(const struct pretty *p)
{
    const char *at = p->at + 1;
    while (at < p->end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return at < p->end ? at + 1 : p->end;
}

/* Not in the middle of a character of UTF-8, nor of an escape. */
static const char *cut(const char *from, size_t size)
{
    const char *at = from;
    while (at - from < (ptrdiff_t)size) {
        at += *at == '\\' ? 2 : 1;
        while (((unsigned char)*at & 0xc0) == 0x80)
            at++;
    }
    return at;
}

static void put_string(struct pretty *p)
{
    const char *end = string_end(p);
    size_t size = (size_t)(end - p->at);
    if (size <= STRING_SHOWN + 50) {
        pretty_safe(p->out, p->at, size);
    } else {
        pretty_safe(p->out, p->at, (size_t)(cut(p->at, STRING_SHOWN) - p->at));
        fprintf(p->out, "...\" (%zu bytes)", size - 2);
    }
    p->at = end;
}

static bool is_closed_at_once(const struct pretty *p)
{
    const char *at = p->at + 1;
    while (at < p->end && strchr(" \t\r\n", *at))
        at++;
    return at < p->end && (*at == '}' || *at == ']');
}

static void put_token(struct pretty *p)
{
    char c = *p->at;
    if (c == '"') {
        put_string(p);
        return;
    }
    p->at++;
    if (strchr(" \t\r\n", c))
        return;
    if (c == '{' || c == '[') {
        p->at--;
        bool empty = is_closed_at_once(p);
        putc(c, p->out);
        if (empty) {
            p->at = (const char *)memchr(p->at, c == '{' ? '}' : ']', (size_t)(p->end - p->at));
            putc(*p->at, p->out);
        } else {
            p->depth++;
            new_line(p);
        }
        p->at++;
    } else if (c == '}' || c == ']') {
        p->depth -= p->depth > 0;
        new_line(p);
        putc(c, p->out);
    } else if (c == ',') {
        putc(c, p->out);
        new_line(p);
    } else if (c == ':') {
        fputs(": ", p->out);
    } else {
        pretty_safe(p->out, &c, 1);
    }
}

void pretty_json(FILE *out, const char *text, size_t size, int indent)
{
    struct pretty p = {out, text, text + size, indent, 0};
    fprintf(out, "%*s", indent, "");
    while (p.at < p.end)
        put_token(&p);
    putc('\n', out);
}

void pretty_url(const char *url)
{
    const char *rest;
    pretty_safe(stdout, url, redact_userinfo(url, &rest));
    pretty_text(rest);
}
