#include "parameter.h"

#include <string.h>
#include <strings.h>

/* One parameter of the text; neither part is NUL-terminated. */
struct parameter {
    const char *name, *value; /* value: NULL where there is no "=" */
    size_t name_length, value_length;
};

static bool set_size(struct mail_parameters *out, const struct parameter *p);
static bool set_body(struct mail_parameters *out, const struct parameter *p);
static bool set_smtputf8(struct mail_parameters *out, const struct parameter *p);
static bool set_require_tls(struct mail_parameters *out, const struct parameter *p);
static bool ignore(struct mail_parameters *out, const struct parameter *p);

struct row {
    const char *name;
    bool (*set)(struct mail_parameters *out, const struct parameter *p); /* false: bad value */
};

static const struct row mail_rows[] = {
    {"SIZE", set_size},
    {"BODY", set_body},
    {"SMTPUTF8", set_smtputf8},
    {"REQUIRETLS", set_require_tls},
    {"RET", ignore},
    {"ENVID", ignore},
    {"AUTH", ignore},
    {NULL, NULL},
};
static const struct row rcpt_rows[] = {{"NOTIFY", ignore}, {"ORCPT", ignore}, {NULL, NULL}};

static bool same(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && strncasecmp(name, text, length) == 0;
}

static bool set_size(struct mail_parameters *out, const struct parameter *p)
{
    out->size = 0;
    for (size_t i = 0; i < p->value_length; i++) {
        if (p->value[i] < '0' || p->value[i] > '9')
            return false;
        unsigned digit = (unsigned)(p->value[i] - '0');
        if (out->size > (UINT64_MAX - digit) / 10)
            out->size = UINT64_MAX;
        else
            out->size = out->size * 10 + digit;
    }
    return p->value_length > 0;
}

static bool set_body(struct mail_parameters *out, const struct parameter *p)
{
    if (!p->value)
        return false;
    out->binary = same("BINARYMIME", p->value, p->value_length);
    out->eight_bit = out->binary || same("8BITMIME", p->value, p->value_length);
    return out->eight_bit || same("7BIT", p->value, p->value_length);
}

static bool set_smtputf8(struct mail_parameters *out, const struct parameter *p)
{
    out->smtputf8 = true;
    return !p->value;
}

static bool set_require_tls(struct mail_parameters *out, const struct parameter *p)
{
    out->require_tls = true;
    return !p->value;
}

static bool ignore(struct mail_parameters *out, const struct parameter *p)
{
    (void)out;
    (void)p;
    return true;
}

/* Reads the next one of *(blank parameter). False: there is none. */
static bool next_parameter(const char **text, struct parameter *p)
{
    const char *name = *text + strspn(*text, " \t");
    size_t length = strcspn(name, " \t"), name_length = strcspn(name, "= \t");
    bool has_value = name_length < length;
    *text = name + length;
    *p = (struct parameter){.name = name,
                            .name_length = name_length,
                            .value = has_value ? name + name_length + 1 : NULL,
                            .value_length = has_value ? length - name_length - 1 : 0};
    return length > 0;
}

static enum parameter_result parse(const char *text, const struct row *rows,
                                   struct mail_parameters *out, struct parameter_name *name)
{
    struct parameter p;
    while (next_parameter(&text, &p)) {
        const struct row *row = rows;
        *name = (struct parameter_name){p.name, (int)p.name_length};
        while (row->name && !same(row->name, p.name, p.name_length))
            row++;
        if (!row->name)
            return PARAMETER_UNKNOWN;
        if (!row->set(out, &p))
            return PARAMETER_BAD;
    }
    return PARAMETER_OK;
}

enum parameter_result mail_parameters_parse(const char *text, struct mail_parameters *out,
                                            struct parameter_name *name)
{
    memset(out, 0, sizeof *out);
    return parse(text, mail_rows, out, name);
}

enum parameter_result rcpt_parameters_parse(const char *text, struct parameter_name *name)
{
    return parse(text, rcpt_rows, NULL, name);
}
