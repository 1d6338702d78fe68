/*
 * command.c - the commands (RFC 5321 section 4.1.1): a row each, which says all that is checked
 * before its function runs, and where it leads. Those functions are here, or in the file of their
 * subject (session_private.h lists them).
 *
 * To add a command: a row, and a function.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "../base/path.h"
#include "session_private.h"

/* Each answers, and returns whether the session goes where the row leads. The argument is without
 * spaces around it, "" where there is none. */
static bool run_rset(struct session *session, const char *argument);
static bool run_noop(struct session *session, const char *argument);
static bool run_vrfy(struct session *session, const char *argument);
static bool run_expn(struct session *session, const char *argument);
static bool run_help(struct session *session, const char *argument);
static bool run_quit(struct session *session, const char *argument);

enum argument { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_NEEDED };

/* States in which a command is allowed. */
#define IN(state) (1u << STATE_##state)
#define NO_MAIL   IN(READY)
#define ANY_STATE (IN(GREETED) | IN(READY) | IN(MAIL) | IN(RCPT) | IN(CHUNKS))

/* Leads nowhere, or to a state that its function sets. */
#define STAYS STATE_NONE

enum flag {
    FLAG_UTF8 = 1,      /* may hold bytes beyond ASCII, which it checks itself */
    FLAG_NEEDS_TLS = 2, /* where the listener requires it (RFC 3207 section 4) */
    FLAG_TRUSTED = 4,   /* for those alone whose address is trusted */
    FLAG_SHOWN = 8,     /* its argument may stand in the log: it holds no password */
    FLAG_NO_HELP = 16,  /* HELP does not name it */
};

/* What a listener does not offer is not there for its clients. */
static bool in_smtp(const struct session *session);
static bool in_lmtp(const struct session *session);
static bool with_tls(const struct session *session);
static bool with_sasl(const struct session *session);

static const struct command {
    const char *name;
    bool (*run)(struct session *session, const char *argument);
    unsigned allowed;                                  /* states, else it is out of sequence */
    enum session_state leads;                          /* from any of them, when it succeeds */
    bool (*is_offered)(const struct session *session); /* NULL: always */
    unsigned flags;
    enum argument argument;
    const char *syntax;
    unsigned extra_octets; /* over the 512 of a command line, for its parameters */
} commands[] = {
    /* Any name will do, and none, as many a client's is: it is only told of. */
    {"EHLO", session_run_ehlo, ANY_STATE, STATE_READY, in_smtp, FLAG_UTF8 | FLAG_SHOWN,
     ARGUMENT_OPTIONAL, "EHLO hostname"},
    {"HELO", session_run_helo, ANY_STATE, STATE_READY, in_smtp, FLAG_UTF8 | FLAG_SHOWN,
     ARGUMENT_OPTIONAL, "HELO hostname"},
    {"LHLO", session_run_lhlo, ANY_STATE, STATE_READY, in_lmtp, FLAG_UTF8 | FLAG_SHOWN,
     ARGUMENT_OPTIONAL, "LHLO hostname"},
    {"MAIL", session_run_mail, NO_MAIL, STATE_MAIL, NULL, FLAG_UTF8 | FLAG_NEEDS_TLS | FLAG_SHOWN,
     ARGUMENT_NEEDED, "MAIL FROM:<address>", LINE_EXTRA_MAIL},
    {"RCPT", session_run_rcpt, IN(MAIL) | IN(RCPT), STATE_RCPT, NULL,
     FLAG_UTF8 | FLAG_NEEDS_TLS | FLAG_SHOWN, ARGUMENT_NEEDED, "RCPT TO:<address>",
     LINE_EXTRA_RCPT},
    {"DATA", session_run_data, IN(RCPT), STATE_DATA, NULL, FLAG_NEEDS_TLS, ARGUMENT_NONE, "DATA"},
    {"RSET", run_rset, ANY_STATE, STAYS, NULL, 0, ARGUMENT_NONE, "RSET"},
    {"NOOP", run_noop, ANY_STATE, STAYS, NULL, 0, ARGUMENT_OPTIONAL, "NOOP"},
    {"VRFY", run_vrfy, ANY_STATE, STAYS, NULL, FLAG_UTF8 | FLAG_NEEDS_TLS, ARGUMENT_NEEDED,
     "VRFY address", 10 /* SMTPUTF8 */},
    {"EXPN", run_expn, ANY_STATE, STAYS, NULL, FLAG_NEEDS_TLS | FLAG_NO_HELP, ARGUMENT_OPTIONAL,
     "EXPN list"},
    {"HELP", run_help, ANY_STATE, STAYS, NULL, 0, ARGUMENT_OPTIONAL, "HELP"},
    {"QUIT", run_quit, ANY_STATE, STATE_CLOSING, NULL, 0, ARGUMENT_OPTIONAL, "QUIT"},
    {"STARTTLS", session_run_starttls, NO_MAIL, STATE_HANDSHAKE, with_tls, 0, ARGUMENT_NONE,
     "STARTTLS"},
    /* BDAT checks all itself: whatever is wrong, its octets come. */
    {"BDAT", session_begin_chunk, ANY_STATE, STATE_CHUNK, NULL, 0, ARGUMENT_OPTIONAL,
     "BDAT size [LAST]"},
    {"AUTH", session_begin_sasl, NO_MAIL, STAYS, with_sasl, FLAG_NEEDS_TLS, ARGUMENT_NEEDED,
     "AUTH mechanism", LINE_MAX_EXTRA},
    {"XCLIENT", session_change_client, IN(GREETED) | IN(READY), STAYS, NULL,
     FLAG_UTF8 | FLAG_TRUSTED, ARGUMENT_NEEDED, "XCLIENT name=value ...", LINE_MAX_EXTRA},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static bool in_smtp(const struct session *session)
{
    return !session->lmtp;
}

static bool in_lmtp(const struct session *session)
{
    return session->lmtp;
}

static bool with_tls(const struct session *session)
{
    return session->tls_offer != LISTEN_TLS_OFF;
}

static bool with_sasl(const struct session *session)
{
    return session->auth_offer != LISTEN_AUTH_OFF;
}

static bool is_offered(const struct session *session, const struct command *command)
{
    return !command->is_offered || command->is_offered(session);
}

/* ---- What speaks another protocol ---- */

static bool is_command(const char *word, size_t size)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strlen(commands[i].name) == size && strncasecmp(commands[i].name, word, size) == 0)
            return true;
    return false;
}

/* A request's first line: its method, for which there are many words, or its version (RFC 9112
 * section 3). RTSP and SIP have the same form. */
static bool is_http(const char *line, size_t word)
{
    static const char *const methods[] = {"GET",   "POST",  "PUT",     "HEAD", "OPTIONS",
                                          "PATCH", "TRACE", "CONNECT", "PRI",  "DELETE"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strlen(methods[i]) == word && strncasecmp(methods[i], line, word) == 0)
            return true;
    size_t end = strlen(line);
    while (end > 0 && strchr(" \t", line[end - 1]))
        end--;
    while (end > 0 && strchr("0123456789.", line[end - 1]))
        end--;
    return end > word + 1 && end < strlen(line) && line[end - 1] == '/' &&
           isalpha((unsigned char)line[end - 2]);
}

/* A field of a header, as Postfix sees one; a person may leave out the space in MAIL FROM:. */
static bool is_labelled(const char *line, size_t word)
{
    bool slip = strncasecmp(line, "MAILFROM:", 9) == 0 || strncasecmp(line, "RCPTTO:", 7) == 0;
    return !slip && (memchr(line, ':', word) || line[word + strspn(line + word, " \t")] == ':');
}

/* Why no client of SMTP has said this; NULL: one may have. As Postfix's smtpd_forbidden_commands. */
static const char *foreign(const char *line)
{
    size_t word = strcspn(line, " \t");
    if (word == 0 || is_command(line, word))
        return NULL;
    if (strncmp(line, "\x16\x03", 2) == 0) /* RFC 8446 section 5.1 */
        return "TLS does not begin at once on this port";
    if (is_http(line, word))
        return "this is SMTP, not HTTP";
    if (is_labelled(line, word) || !isalpha((unsigned char)*line) || strncmp(line, "SSH-", 4) == 0)
        return "this is SMTP: a command is needed";
    return NULL;
}

bool session_refuse_foreign(struct session *session, const char *line)
{
    const char *why = foreign(line + strspn(line, " \t"));
    if (why)
        session_hang_up(session, "4.7.0", why);
    return why;
}

static const struct command *find_command(const struct session *session, const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcasecmp(commands[i].name, name) == 0 && is_offered(session, &commands[i]))
            return &commands[i];
    return NULL;
}

/* What another listener, or another configuration, has. */
static void refuse_unknown(struct session *session, const char *name)
{
    const struct command *command = commands;
    while (command < commands + COMMANDS && strcasecmp(command->name, name) != 0)
        command++;
    if (command == commands + COMMANDS)
        session_bad_command(session, 500, "5.5.2", "Command not recognized");
    else if (command->is_offered == with_sasl)
        session_bad_command(session, 503, "5.5.1", "AUTH is not offered here");
    else if (command->is_offered == with_tls)
        session_bad_command(session, 502, "5.5.1", "STARTTLS is not offered here");
    else
        session_bad_command(session, 500, "5.5.2", "Command not recognized: this is %s",
                            session->lmtp ? "LMTP, which greets by LHLO" : "SMTP, not LMTP");
}

static void out_of_sequence(struct session *session)
{
    const char *const wants[] = {
        [STATE_GREETED] = session->lmtp ? "LHLO first" : "EHLO or HELO first",
        [STATE_READY] = "MAIL first",
        [STATE_MAIL] = "a recipient is needed, or RSET",
        [STATE_RCPT] = "RCPT or DATA now, or RSET",
        [STATE_CHUNKS] = "BDAT now, or RSET",
    };
    /* Not counted as a bad command: it is what a pipelining client gets for all that it sent after
     * a MAIL or RCPT that was refused. */
    session_refuse(session, 503, "5.5.1", "Bad sequence of commands: %s", wants[session->state]);
}

static void run(struct session *session, const struct command *command, const char *argument)
{
    bool wrong =
        *argument ? command->argument == ARGUMENT_NONE : command->argument == ARGUMENT_NEEDED;
    bool lacks_tls = session->tls_offer == LISTEN_TLS_REQUIRED && !session->tls;
    if ((command->flags & FLAG_TRUSTED) && !session->trusted)
        session_refuse(session, 550, "5.7.0", "Not authorized to say for whom you speak");
    else if ((command->flags & FLAG_NEEDS_TLS) && lacks_tls)
        session_refuse(session, 530, "5.7.0", "STARTTLS first");
    else if (!(command->allowed & 1u << session->state))
        out_of_sequence(session);
    else if (wrong)
        session_bad_command(session, 501, "5.5.4", "Syntax: %s", command->syntax);
    else if (command->run(session, argument) && command->leads != STAYS)
        session->state = command->leads;
}

/* Without white space at its end (RFC 5321 section 4.1.1). */
static void trim(char *line)
{
    size_t end = strlen(line);
    while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t'))
        line[--end] = 0;
}

void session_command(struct session *session, char *line)
{
    size_t length = strlen(line);
    line += strspn(line, " \t"); /* not in the grammar, nor are tabs; but in use */
    if (session_refuse_foreign(session, line))
        return;
    trim(line);
    char *argument = line + strcspn(line, " \t");
    if (*argument)
        *argument++ = 0;
    argument += strspn(argument, " \t");

    const struct command *command = find_command(session, line);
    session->command = command ? command->name : "unknown";
    session->argument = command && (command->flags & FLAG_SHOWN) ? argument : "";
    if (length + 2 > LINE_MAX_OCTETS + (command ? command->extra_octets : 0))
        session_bad_command(session, 500, "5.5.2", "Line too long");
    else if (!command)
        refuse_unknown(session, line);
    else if (!(command->flags & FLAG_UTF8) && !is_ascii(argument))
        session_bad_command(session, 500, "5.5.2", "Only ASCII is allowed here");
    else
        run(session, command, argument);
    session->command = session->argument = "";
}

static bool run_rset(struct session *session, const char *argument)
{
    (void)argument;
    session_drop_transaction(session);
    if (session->state != STATE_GREETED)
        session->state = STATE_READY;
    session_reply(session, 250, "2.0.0", "OK");
    return true;
}

static bool run_noop(struct session *session, const char *argument)
{
    (void)argument;
    session_reply(session, 250, "2.0.0", "OK");
    return true;
}

/* Tells nothing (RFC 5321 section 3.5.3), so it checks only what RFC 6531 section 3.7.4.2 adds. */
static bool run_vrfy(struct session *session, const char *argument)
{
    static const char parameter[] = " SMTPUTF8";
    size_t length = strlen(argument), tail = sizeof parameter - 1;
    bool smtputf8 = length > tail && strcasecmp(argument + length - tail, parameter) == 0;
    if (!is_ascii(argument) && !(smtputf8 && utf8_valid(argument)))
        session_refuse(session, 553, "5.6.7", "Address needs SMTPUTF8");
    else
        session_reply(session, 252, "2.0.0", "Cannot verify, but will take mail and try");
    return true;
}

static bool run_expn(struct session *session, const char *argument)
{
    (void)argument;
    session_bad_command(session, 502, "5.5.1", "Command not implemented");
    return false;
}

static bool run_help(struct session *session, const char *argument)
{
    (void)argument;
    char names[COMMANDS * 10] = "";
    for (size_t i = 0; i < COMMANDS; i++)
        if (!(commands[i].flags & FLAG_NO_HELP) && is_offered(session, &commands[i]) &&
            (session->trusted || !(commands[i].flags & FLAG_TRUSTED)))
            snprintf(names + strlen(names), sizeof names - strlen(names), " %s", commands[i].name);
    session_reply(session, 214, "2.0.0", "Commands:%s", names);
    return true;
}

static bool run_quit(struct session *session, const char *argument)
{
    (void)argument;
    session_reply(session, 221, "2.0.0", "%s closing", session->config->hostname);
    return true;
}
