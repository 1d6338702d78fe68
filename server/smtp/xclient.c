/*
 * xclient.c - XCLIENT, as Postfix has it (its XCLIENT_README): a trusted client, such as a filter
 * or a proxy that speaks SMTP itself, says for which client it speaks. Then the session starts
 * over.
 *
 * To add an attribute: an enumerator, a row in the table, and its name in XCLIENT_ATTRIBUTES.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "../base/log.h"
#include "../base/network.h"
#include "../base/path.h"
#include "access.h"
#include "session_private.h"

#define VALUE_MAX_OCTETS 255

enum attribute { NAME, ADDR, PORT, PROTO, HELO, LOGIN, DESTADDR, DESTPORT, ATTRIBUTES };

/* What one command says. */
struct value {
    bool said;
    char text[VALUE_MAX_OCTETS + 1]; /* "": the client cannot tell */
};

/* Each checks a value that is not "", and may rewrite it. */
static bool check_word(char *value);
static bool check_text(char *value);
static bool check_address(char *value);
static bool check_port(char *value);
static bool check_protocol(char *value);

static const struct {
    const char *name;
    bool (*check)(char *value);
} attributes[ATTRIBUTES] = {
    [NAME] = {"NAME", check_word},
    [ADDR] = {"ADDR", check_address},
    [PORT] = {"PORT", check_port},
    [PROTO] = {"PROTO", check_protocol},
    [HELO] = {"HELO", check_text},
    [LOGIN] = {"LOGIN", check_text},
    [DESTADDR] = {"DESTADDR", check_address},
    [DESTPORT] = {"DESTPORT", check_port},
};

static bool check_word(char *value)
{
    for (const char *p = value; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return true;
}

static bool check_text(char *value)
{
    for (const char *p = value; *p; p++)
        if (is_control(*p))
            return false;
    return utf8_valid(value);
}

static bool check_address(char *value)
{
    struct ip_address address;
    bool v6 = strncasecmp(value, "IPV6:", 5) == 0;
    const char *text = v6 ? value + 5 : value;
    if ((strchr(text, ':') != NULL) != v6 || ip_address_parse(text, &address) != 0)
        return false;
    ip_address_format(&address, value);
    return true;
}

static bool check_port(char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && digits <= 5 && !value[digits] && strtoul(value, NULL, 10) <= 65535;
}

static bool check_protocol(char *value)
{
    return strcasecmp(value, "SMTP") == 0 || strcasecmp(value, "ESMTP") == 0;
}

/* xtext (RFC 3461 section 4): "+" and two hexadecimal digits stand for an octet. What is not
 * encoded though it should be passes, as old clients send it. False: malformed, or too long. */
static bool decode(const char *text, size_t size, char to[VALUE_MAX_OCTETS + 1])
{
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '+') {
            int byte = hex_byte(text + i + 1, text + size);
            if (byte <= 0)
                return false;
            c = (char)byte;
            i += 2;
        }
        if (length == VALUE_MAX_OCTETS)
            return false;
        to[length++] = c;
    }
    to[length] = 0;
    return length > 0;
}

static bool is_unavailable(enum attribute attribute, const char *text)
{
    return (attribute != PROTO && strcasecmp(text, "[UNAVAILABLE]") == 0) ||
           (attribute == NAME && strcasecmp(text, "[TEMPUNAVAIL]") == 0);
}

/* One "NAME=value"; false: it is answered. */
static bool read_attribute(struct session *session, const char *text, size_t size,
                           struct value values[ATTRIBUTES])
{
    const char *equals = memchr(text, '=', size);
    size_t length = equals ? (size_t)(equals - text) : size;
    enum attribute a = 0;
    while (a < ATTRIBUTES &&
           (strncasecmp(attributes[a].name, text, length) != 0 || attributes[a].name[length] != 0))
        a++;
    if (!equals || a == ATTRIBUTES) {
        session_bad_command(session, 501, "5.5.4",
                            "Syntax: XCLIENT name=value ...; names: " XCLIENT_ATTRIBUTES);
        return false;
    }
    struct value *value = &values[a];
    value->said = true;
    bool fine = decode(equals + 1, size - length - 1, value->text);
    if (fine && is_unavailable(a, value->text))
        value->text[0] = 0;
    else
        fine = fine && attributes[a].check(value->text);
    if (!fine)
        session_bad_command(session, 501, "5.5.4", "Bad value of %s", attributes[a].name);
    return fine;
}

static bool read_attributes(struct session *session, const char *argument,
                            struct value values[ATTRIBUTES])
{
    while (*argument) {
        size_t size = strcspn(argument, " ");
        if (!read_attribute(session, argument, size, values))
            return false;
        argument += size + strspn(argument + size, " ");
    }
    return true;
}

/* NULL where it is not said, or not available, or there is no memory: then *fine is false. */
static char *copy_value(const struct value *value, bool *fine)
{
    char *copy = value->said && *value->text ? strdup(value->text) : NULL;
    if (value->said && *value->text && !copy)
        *fine = false;
    return copy;
}

/* What was said before counts no more; what XCLIENT says now does. */
static bool start_over(struct session *session, const struct value values[ATTRIBUTES])
{
    bool fine = true;
    char *helo = copy_value(&values[HELO], &fine), *user = copy_value(&values[LOGIN], &fine);
    if (!fine) {
        free(helo);
        free(user);
        return false;
    }
    free(session->helo);
    free(session->user);
    session->helo = helo;
    session->user = user;
    session->esmtp = values[PROTO].said && strcasecmp(values[PROTO].text, "ESMTP") == 0;
    session->smtputf8 = false;
    session->state = helo ? STATE_READY : STATE_GREETED; /* HELO= stands for the client's own */
    return true;
}

static void log_client(const struct session *session, const struct value values[ATTRIBUTES])
{
    log_limited(LOG_INFO, "xclient", session->id, LOG_TEXT("client", session->client_ip),
                LOG_TEXT("port", values[PORT].text), LOG_TEXT("name", values[NAME].text),
                LOG_TEXT("helo", session->helo), LOG_TEXT("user", session->user),
                LOG_TEXT("proxy", session->proxy));
}

bool session_change_client(struct session *session, const char *argument)
{
    struct value values[ATTRIBUTES] = {{false}};
    const struct refusal *refusal = NULL;
    if (!read_attributes(session, argument, values))
        return false;
    if (!start_over(session, values)) {
        session_refuse(session, 421, "4.3.0", "Out of memory, closing");
        session->state = STATE_CLOSING;
        return false;
    }
    if (values[ADDR].said) {
        session_set_client(session, values[ADDR].text);
        session->recipients = 0;
        if (session->hooks.enter)
            refusal = session->hooks.enter(session->context, values[ADDR].text);
    }
    log_client(session, values);
    if (refusal) {
        session_refuse(session, refusal->code, refusal->enhanced, "%s %s",
                       session->config->hostname, refusal->text);
        session->state = STATE_CLOSING;
        return false;
    }
    session_greet(session);
    return true;
}
