#include "addr_spec.h"

#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "utf8.h"
#include "words.h"

/* --- Addresses --- */

size_t addr_spec_close_up(char *text, size_t size)
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

bool addr_spec_is_readable(const char *email, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (is_control(email[i]))
            return false;
    return size > 0 && utf8_valid_size(email, size) == size;
}

void addr_spec_strip(const char **email, size_t *size)
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

bool addr_spec_is_ambiguous(const char *email, size_t size)
{
    size_t count = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        quoted ^= email[i] == '"';
        count += email[i] == '@' && !quoted;
    }
    return count > 1;
}

bool addr_spec_find(const char *text, size_t size, const char *last, size_t *begin, size_t *end)
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

size_t addr_spec_drop_comments(char *text, size_t size)
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
