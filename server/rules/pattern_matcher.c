#include "pattern_matcher.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "state.h"

/* A step that reads so many bytes at once is as many. */
static void steps(struct matcher *m, size_t bytes)
{
    m->steps += 1 + bytes / 16;
    if (m->steps < PATTERN_CHECK_STEPS)
        return;
    m->steps = 0;
    state_check(m->L);
}

void pattern_step(struct matcher *m)
{
    steps(m, 0);
}

/* The end of the single-character class that begins at p. */
static const char *class_end(struct matcher *m, const char *p)
{
    if (*p == '%') {
        if (p + 1 == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p != '[')
        return p + 1;
    p++;
    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* the first character of a set stands for itself, even ']' */
        if (p >= m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        p += *p == '%' ? 2 : 1;
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

static bool in_class(unsigned char c, unsigned char class)
{
    bool in;
    switch (tolower(class)) {
    case 'a': in = isalpha(c); break;
    case 'c': in = iscntrl(c); break;
    case 'd': in = isdigit(c); break;
    case 'g': in = isgraph(c); break;
    case 'l': in = islower(c); break;
    case 'p': in = ispunct(c); break;
    case 's': in = isspace(c); break;
    case 'u': in = isupper(c); break;
    case 'w': in = isalnum(c); break;
    case 'x': in = isxdigit(c); break;
    case 'z': in = c == 0; break;
    default: return class == c;
    }
    return isupper(class) ? !in : in;
}

/* The set from `p`, its '[', to `last`, its ']'. */
static bool in_set(unsigned char c, const char *p, const char *last)
{
    bool in = true;
    p++;
    if (*p == '^') {
        in = false;
        p++;
    }
    while (p < last) {
        if (*p == '%') {
            if (in_class(c, (unsigned char)p[1]))
                return in;
            p += 2;
        } else if (p + 2 < last && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return in;
            p += 3;
        } else {
            if ((unsigned char)*p == c)
                return in;
            p++;
        }
    }
    return !in;
}

/* Does the class [p, end) match the character at s? */
static bool match_one(struct matcher *m, const char *s, const char *p, const char *end)
{
    steps(m, (size_t)(end - p)); /* a set may be as long as a rule likes */
    if (s >= m->end)
        return false;
    unsigned char c = (unsigned char)*s;
    switch (*p) {
    case '.': return true;
    case '%': return in_class(c, (unsigned char)p[1]);
    case '[': return in_set(c, p, end - 1);
    default: return (unsigned char)*p == c;
    }
}

static const char *match_longest(struct matcher *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t count = 0;
    while (match_one(m, s + count, p, end))
        count++;
    for (; count >= 0; count--) {
        const char *found = pattern_match_here(m, s + count, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *match_shortest(struct matcher *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *found = pattern_match_here(m, s, end + 1);
        if (found)
            return found;
        if (!match_one(m, s, p, end))
            return NULL;
    }
}

/* %bxy */
static const char *match_balanced(struct matcher *m, const char *s, const char *p)
{
    if (p + 1 >= m->pattern_end)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->end || *s != p[0])
        return NULL;
    ptrdiff_t open = 1;
    while (++s < m->end) {
        pattern_step(m);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* %f[set]: between a character that is not in the set and one that is; \0 stands at both ends. */
static bool at_frontier(struct matcher *m, const char *s, const char *p, const char **after)
{
    if (p >= m->pattern_end || *p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    *after = class_end(m, p);
    unsigned char before = s == m->subject ? 0 : (unsigned char)s[-1];
    unsigned char here = s < m->end ? (unsigned char)*s : 0;
    return !in_set(before, p, *after - 1) && in_set(here, p, *after - 1);
}

static const char *match_back_reference(struct matcher *m, const char *s, char digit)
{
    int index = digit - '1';
    if (index < 0 || index >= m->count || m->captures[index].size == CAPTURE_OPEN)
        luaL_error(m->L, "invalid capture index");
    const struct capture *capture = &m->captures[index];
    steps(m, capture->size > 0 ? (size_t)capture->size : 0);
    if (capture->size < 0 || m->end - s < capture->size ||
        memcmp(capture->start, s, (size_t)capture->size) != 0)
        return NULL;
    pattern_step(m);
    return s + capture->size;
}

static const char *open_capture(struct matcher *m, const char *s, const char *p, ptrdiff_t size)
{
    if (m->count == PATTERN_MAX_CAPTURES)
        luaL_error(m->L, "too many captures");
    m->captures[m->count++] = (struct capture){s, size};
    const char *found = pattern_match_here(m, s, p);
    if (!found)
        m->count--;
    return found;
}

static const char *close_capture(struct matcher *m, const char *s, const char *p)
{
    int index = m->count - 1;
    while (index >= 0 && m->captures[index].size != CAPTURE_OPEN)
        index--;
    if (index < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[index].size = s - m->captures[index].start;
    const char *found = pattern_match_here(m, s, p);
    if (!found)
        m->captures[index].size = CAPTURE_OPEN;
    return found;
}

/* A class and what may stand after it; true: `*s` and `*p` moved on. */
static bool match_item(struct matcher *m, const char **s, const char **p, const char **found)
{
    const char *end = class_end(m, *p);
    char suffix = end < m->pattern_end ? *end : '\0';
    switch (suffix) {
    case '?':
        if (match_one(m, *s, *p, end) && (*found = pattern_match_here(m, *s + 1, end + 1)))
            return false;
        *p = end + 1;
        return true;
    case '*': *found = match_longest(m, *s, *p, end); return false;
    case '+':
        *found = match_one(m, *s, *p, end) ? match_longest(m, *s + 1, *p, end) : NULL;
        return false;
    case '-': *found = match_shortest(m, *s, *p, end); return false;
    }
    *found = NULL;
    if (!match_one(m, *s, *p, end))
        return false;
    ++*s;
    *p = end;
    return true;
}

/* What begins with % and is no class; true: `*s` (NULL: no match) and `*p` moved on. */
static bool match_special(struct matcher *m, const char **s, const char **p)
{
    if (*p + 1 >= m->pattern_end)
        return false;
    const char *after;
    switch ((*p)[1]) {
    case 'b':
        *s = match_balanced(m, *s, *p + 2);
        *p += 4;
        return true;
    case 'f':
        if (!at_frontier(m, *s, *p + 2, &after))
            *s = NULL;
        *p = after;
        return true;
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        *s = match_back_reference(m, *s, (*p)[1]);
        *p += 2;
        return true;
    }
    return false;
}

static const char *match_rest(struct matcher *m, const char *s, const char *p)
{
    while (p < m->pattern_end) {
        const char *found = NULL;
        switch (*p) {
        case '(':
            return p + 1 < m->pattern_end && p[1] == ')'
                       ? open_capture(m, s, p + 2, CAPTURE_POSITION)
                       : open_capture(m, s, p + 1, CAPTURE_OPEN);
        case ')': return close_capture(m, s, p + 1);
        case '$':
            if (p + 1 == m->pattern_end)
                return s == m->end ? s : NULL;
            break;
        case '%':
            if (!match_special(m, &s, &p))
                break;
            if (!s)
                return NULL;
            continue;
        }
        if (!match_item(m, &s, &p, &found))
            return found;
    }
    return s;
}

const char *pattern_match_here(struct matcher *m, const char *s, const char *p)
{
    if (++m->depth > PATTERN_MAX_DEPTH)
        luaL_error(m->L, "pattern too complex");
    const char *found = match_rest(m, s, p);
    m->depth--;
    return found;
}
