#include "parameter.h"

#include <string.h>
#include <strings.h>

#define SIZE_MAX_DIGITS 20 /* RFC 1870 section 4 */

/* One parameter of the text; neither part is NUL-terminated. */
struct parameter {
    const char *name, *value; /* value: NULL where there is no "=" */
    size_t name_length, value_length;
};

static bool set_size(struct mail_parameters *out, const struct parameter *p);
static bool set_body(struct mail_parameters *out, const struct parameter *p);
static bool set_smtputf8(struct mail_parameters *out, const struct parameter *p);

static const struct mail_row {
    const char *name;
    bool (*set)(struct mail_parameters *out, const struct parameter *p); /* false: bad value */
} mail_rows[] = {
    {"SIZE", set_size},
    {"BODY", set_body},
    {"SMTPUTF8", set_smtputf8},
};

#define MAIL_ROWS (sizeof mail_rows / sizeof *mail_rows)

static bool same(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && strncasecmp(name, text, length) == 0;
}

static bool set_size(struct mail_parameters *out, const struct parameter *p)
{
    if (!p->value || p->value_length > SIZE_MAX_DIGITS)
        return false;
    for (size_t i = 0; i < p->value_length; i++) {
        if (p->value[i] < '0' || p->value[i] > '9')
            return false;
        unsigned digit = (unsigned)(p->value[i] - '0');
        if (out->size > (UINT64_MAX - digit) / 10)
            out->size = UINT64_MAX;
        else
            out->size = out->size * 10 + digit;
    }
    return true;
}

static bool set_body(struct mail_parameters *out, const struct parameter *p)
{
    out->eight_bit = p->value && same("8BITMIME", p->value, p->value_length);
    return out->eight_bit || (p->value && same("7BIT", p->value, p->value_length));
}

static bool set_smtputf8(struct mail_parameters *out, const struct parameter *p)
{
    out->smtputf8 = true;
    return !p->value;
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Reads the next one of "" / 1*(SP parameter). False: malformed. At the end, name is NULL. */
static bool next_parameter(const char **text, struct parameter *p)
{
    const char *at = *text;
    memset(p, 0, sizeof *p);
    if (*at && *at != ' ')
        return false;
    at += strspn(at, " ");
    if (!*at) {
        *text = at;
        return true;
    }
    p->name = at;
    while (is_letter_or_digit(*at) || (*at == '-' && at > p->name))
        at++;
    p->name_length = (size_t)(at - p->name);
    if (p->name_length > 0 && *at == '=') {
        p->value = ++at;
        while (*at > ' ' && *at <= '~' && *at != '=')
            at++;
        p->value_length = (size_t)(at - p->value);
    }
    *text = at;
    return p->name_length > 0 && (!p->value || p->value_length > 0) && (!*at || *at == ' ');
}

enum parameter_result mail_parameters_parse(const char *text, struct mail_parameters *out)
{
    bool seen[MAIL_ROWS] = {false};
    struct parameter p;
    memset(out, 0, sizeof *out);
    for (;;) {
        if (!next_parameter(&text, &p))
            return PARAMETER_BAD;
        if (!p.name)
            return PARAMETER_OK;
        size_t row = 0;
        while (row < MAIL_ROWS && !same(mail_rows[row].name, p.name, p.name_length))
            row++;
        if (row == MAIL_ROWS)
            return PARAMETER_UNKNOWN;
        if (seen[row] || !mail_rows[row].set(out, &p))
            return PARAMETER_BAD;
        seen[row] = true;
    }
}

enum parameter_result rcpt_parameters_parse(const char *text)
{
    struct parameter p;
    if (!next_parameter(&text, &p))
        return PARAMETER_BAD;
    return p.name ? PARAMETER_UNKNOWN : PARAMETER_OK;
}
