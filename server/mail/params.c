#include "params.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "charset.h"
#include "words.h"

#define SECTIONS_MAX  1000 /* of a continued parameter; what comes after is not read */
#define CHARSET_MAX   64
#define COMMENT_MAX   1000 /* bytes; a longer one is none, so that looking for its end costs little */
#define COMMENT_DEPTH 8

/* One `name=value`, where it stands. */
struct mime_param {
    const char *name, *value;
    size_t name_size, value_size;
    bool quoted;
};

static bool is_token(char c)
{
    static const bool separators[128] = {
        ['('] = true, [')'] = true, ['<'] = true, ['>'] = true,  ['@'] = true,
        [','] = true, [';'] = true, [':'] = true, ['\\'] = true, ['"'] = true,
        ['/'] = true, ['['] = true, [']'] = true, ['?'] = true,  ['='] = true,
    };
    return c > ' ' && c < 0x7f && !separators[(unsigned char)c];
}

static size_t skip_spaces(const char *value, size_t size, size_t at)
{
    while (at < size && is_space(value[at]))
        at++;
    return at;
}

/* White space and comments (RFC 822 section 3.1.4), which can nest; a "(" that is never closed is
 * none. */
static size_t skip_cfws(const char *value, size_t size, size_t at)
{
    for (;;) {
        at = skip_spaces(value, size, at);
        if (at == size || value[at] != '(')
            return at;
        size_t end = at;
        unsigned depth = 0;
        do {
            if (value[end] == '\\' && end + 1 < size)
                end++;
            else if (value[end] == '(')
                depth++;
            else if (value[end] == ')')
                depth--;
        } while (++end < size && depth > 0 && depth < COMMENT_DEPTH && end - at < COMMENT_MAX);
        if (depth > 0)
            return at;
        at = end;
    }
}

/* A token without quotes, and a comment behind it: where the token ends. What has more words is a
 * file name in need of quotes, "Report (1).pdf". */
static size_t token_end(const char *value, size_t begin, size_t end)
{
    size_t token = begin;
    while (token < end && !is_space(value[token]) && value[token] != '(')
        token++;
    bool comment = token > begin && token < end && is_space(value[token]);
    return comment && skip_cfws(value, end, token) == end ? token : end;
}

/* Past the quoted string whose content begins at `at`; where the content ends is in *end. */
static size_t skip_quoted(const char *value, size_t size, size_t at, size_t *end)
{
    while (at < size && value[at] != '"')
        at += value[at] == '\\' && at + 1 < size ? 2 : 1;
    *end = at;
    return at < size ? at + 1 : at;
}

/* Reads the parameter at or after *at; false where none is left. */
static bool param_next(const char *value, size_t size, size_t *at, struct mime_param *param)
{
    for (;;) {
        while (*at < size && !is_token(value[*at])) {
            size_t next = skip_cfws(value, size, *at);
            *at = next > *at ? next : *at + 1;
        }
        if (*at == size)
            return false;
        size_t name = *at;
        while (*at < size && is_token(value[*at]))
            ++*at;
        param->name = value + name;
        param->name_size = *at - name;
        size_t equals = skip_cfws(value, size, *at);
        if (equals < size && value[equals] == '=') {
            *at = skip_cfws(value, size, equals + 1);
            break;
        }
    }
    size_t begin = *at, end;
    param->quoted = begin < size && value[begin] == '"';
    if (param->quoted) {
        begin++;
        *at = skip_quoted(value, size, begin, &end);
    } else {
        const char *semicolon = memchr(value + begin, ';', size - begin);
        end = semicolon ? (size_t)(semicolon - value) : size;
        *at = end;
        while (end > begin && is_space(value[end - 1]))
            end--;
        end = token_end(value, begin, end);
    }
    param->value = value + begin;
    param->value_size = end - begin;
    return true;
}

/* The value without its quoting. A backslash quotes only a quote or itself: others are paths. */
static int append_value(struct buffer *to, const struct mime_param *param)
{
    int status = 0;
    for (size_t i = 0; i < param->value_size && status == 0; i++) {
        char c = param->value[i];
        if (param->quoted && c == '\\' && i + 1 < param->value_size &&
            (param->value[i + 1] == '"' || param->value[i + 1] == '\\'))
            c = param->value[++i];
        if (c != '\r' && c != '\n')
            status = buffer_append_byte(to, c);
    }
    return status;
}

static int append_percent(struct buffer *to, const char *text, size_t size)
{
    int status = 0;
    for (size_t i = 0; i < size && status == 0; i++) {
        int byte = text[i] == '%' ? hex_byte(text + i + 1, text + size) : -1;
        status = buffer_append_byte(to, byte >= 0 ? (char)byte : text[i]);
        i += byte >= 0 ? 2 : 0;
    }
    return status;
}

/* What follows the wanted name: "", "*", "*0", "*0*". */
struct section {
    struct mime_param param;
    unsigned number;
    bool numbered, extended;
};

static bool read_section(const struct mime_param *param, const char *name, struct section *section)
{
    size_t size = strlen(name), at = size;
    if (param->name_size < size || strncasecmp(param->name, name, size) != 0)
        return false;
    *section = (struct section){.param = *param};
    if (at == param->name_size)
        return true;
    if (param->name[at++] != '*')
        return false;
    if (at == param->name_size) {
        section->extended = true;
        return true;
    }
    section->numbered = true;
    size_t digits = at;
    while (at < param->name_size && isdigit((unsigned char)param->name[at]) && at - digits < 6)
        section->number = section->number * 10 + (unsigned)(param->name[at++] - '0');
    if (at == digits)
        return false;
    section->extended = at < param->name_size && param->name[at] == '*';
    return at + section->extended == param->name_size;
}

struct found {
    struct section plain, extended; /* param.name is NULL where there is none */
    struct section *sections;       /* numbered ones, in the order of the field */
    size_t count;
};

static int find(const char *value, size_t size, const char *name, struct found *found)
{
    struct mime_param param;
    struct section section;
    size_t at = 0, capacity = 0;
    *found = (struct found){0};
    while (param_next(value, size, &at, &param)) {
        if (!read_section(&param, name, &section))
            continue;
        if (!section.numbered) {
            struct section *slot = section.extended ? &found->extended : &found->plain;
            if (!slot->param.name)
                *slot = section;
            continue;
        }
        if (found->count == SECTIONS_MAX)
            continue;
        if (found->count == capacity) {
            capacity = capacity ? capacity * 2 : 8;
            struct section *grown = realloc(found->sections, capacity * sizeof *grown);
            if (!grown)
                return -ENOMEM;
            found->sections = grown;
        }
        found->sections[found->count++] = section;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct section *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->param.name < y->param.name ? -1 : 1;
}

/* Takes `charset'language'` off the front of an extended value. */
static void take_charset(struct buffer *text, char charset[CHARSET_MAX])
{
    const char *first = text->size ? memchr(text->bytes, '\'', text->size) : NULL;
    size_t name = first ? (size_t)(first - text->bytes) : 0;
    const char *second = first ? memchr(first + 1, '\'', text->size - name - 1) : NULL;
    charset[0] = 0;
    if (!second)
        return;
    if (name < CHARSET_MAX) {
        memcpy(charset, text->bytes, name);
        charset[name] = 0;
    }
    size_t skip = (size_t)(second + 1 - text->bytes);
    memmove(text->bytes, text->bytes + skip, text->size - skip);
    text->size -= skip;
}

/* One section's bytes; the first extended one names the charset. */
static int append_section(struct buffer *to, const struct section *section, bool first,
                          char charset[CHARSET_MAX])
{
    struct buffer text = {0};
    int status = append_value(&text, &section->param);
    if (status == 0 && first && section->extended)
        take_charset(&text, charset);
    if (status == 0)
        status = section->extended ? append_percent(to, text.bytes, text.size)
                                   : buffer_append(to, text.bytes, text.size);
    buffer_free(&text);
    return status;
}

/* The bytes of the best form that is there: extended, then continued, then plain. */
static int collect(const char *value, size_t size, const char *name, struct buffer *to,
                   char charset[CHARSET_MAX], bool *plain)
{
    struct found found;
    int status = find(value, size, name, &found);
    charset[0] = 0;
    *plain = false;
    if (status < 0) {
        /* falls through to the end */
    } else if (found.extended.param.name) {
        status = append_section(to, &found.extended, true, charset);
    } else if (found.count > 0) {
        bool extended = false;
        qsort(found.sections, found.count, sizeof *found.sections, by_number);
        for (size_t i = 0; i < found.count && status == 0; i++) {
            extended |= found.sections[i].extended;
            if (i == 0 || found.sections[i].number != found.sections[i - 1].number)
                status = append_section(to, &found.sections[i], i == 0, charset);
        }
        *plain = !extended;
    } else if (found.plain.param.name) {
        status = append_value(to, &found.plain.param);
        *plain = true;
    } else {
        status = -ENOENT;
    }
    free(found.sections);
    return status;
}

int params_bytes(const char *value, size_t size, const char *name, struct buffer *to)
{
    char charset[CHARSET_MAX];
    bool plain;
    return collect(value, size, name, to, charset, &plain);
}

int params_text(const char *value, size_t size, const char *name, struct buffer *to)
{
    char charset[CHARSET_MAX];
    bool plain;
    struct buffer bytes = {0};
    int status = collect(value, size, name, &bytes, charset, &plain);
    /* An encoded word is none of RFC 2231, but stands there. */
    bool word = bytes.size > 0 && memmem(bytes.bytes, bytes.size, "=?", 2);
    if (status == 0)
        status = plain || word ? words_decode(to, bytes.bytes, bytes.size)
                               : charset_append(to, charset, bytes.bytes, bytes.size);
    buffer_free(&bytes);
    return status;
}

void params_token(const char *value, size_t size, char *token, size_t capacity)
{
    size_t at = skip_cfws(value, size, 0), used = 0;
    while (at < size && !is_token(value[at]))
        at++;
    for (; at < size && is_token(value[at]) && used < capacity - 1; at++)
        token[used++] = (char)tolower((unsigned char)value[at]);
    token[used] = 0;
}

bool params_type(const char *value, size_t size, char *type, size_t capacity)
{
    size_t at = skip_cfws(value, size, 0), used = 0, slash = 0;
    for (int half = 0; half < 2; half++) {
        size_t begin = used;
        for (; at < size && is_token(value[at]) && used < capacity - 1; at++)
            type[used++] = (char)tolower((unsigned char)value[at]);
        if (used == begin || used >= capacity - 1)
            return false;
        if (half == 1)
            break;
        slash = skip_cfws(value, size, at);
        if (slash == size || value[slash] != '/')
            return false;
        type[used++] = '/';
        at = skip_cfws(value, size, slash + 1);
    }
    type[used] = 0;
    return true;
}
