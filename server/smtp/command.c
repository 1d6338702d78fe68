/*
 * command.c - the commands (RFC 5321 section 4.1.1), one function each, and the states between
 * them. The functions of those that greet, or make a transaction, are in greet.c and envelope.c.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../base/path.h"
#include "session_private.h"

/* Each answers, and returns whether the session goes where `transitions` says. The argument is
 * without spaces around it, "" where there is none. */
static bool run_rset(struct session *session, const char *argument);
static bool run_noop(struct session *session, const char *argument);
static bool run_vrfy(struct session *session, const char *argument);
static bool run_expn(struct session *session, const char *argument);
static bool run_help(struct session *session, const char *argument);
static bool run_quit(struct session *session, const char *argument);
static bool run_bdat(struct session *session, const char *argument);
static bool run_auth(struct session *session, const char *argument);
static bool run_xclient(struct session *session, const char *argument);

enum argument { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_NEEDED };

static const struct command {
    const char *name;
    bool (*run)(struct session *session, const char *argument);
    enum argument argument;
    const char *syntax;
    unsigned extra_octets; /* over the 512 of a command line, for its parameters */
    bool utf8;             /* may hold bytes beyond ASCII, which it checks itself */
    bool needs_tls;        /* where the listener requires it (RFC 3207 section 4) */
    bool needs_trust;      /* of the client's address */
} commands[] = {
    /* These check their argument themselves: their replies have no enhanced code. */
    {"EHLO", session_run_ehlo, ARGUMENT_OPTIONAL, "EHLO hostname", 0, false},
    {"HELO", session_run_helo, ARGUMENT_OPTIONAL, "HELO hostname", 0, false},
    {"LHLO", session_run_lhlo, ARGUMENT_OPTIONAL, "LHLO hostname", 0, false},
    {"MAIL", session_run_mail, ARGUMENT_NEEDED, "MAIL FROM:<address>", LINE_EXTRA_MAIL, true, true},
    {"RCPT", session_run_rcpt, ARGUMENT_NEEDED, "RCPT TO:<address>", LINE_EXTRA_RCPT, true, true},
    {"DATA", session_run_data, ARGUMENT_NONE, "DATA", 0, false, true},
    {"RSET", run_rset, ARGUMENT_NONE, "RSET", 0, false},
    {"NOOP", run_noop, ARGUMENT_OPTIONAL, "NOOP", 0, false},
    {"VRFY", run_vrfy, ARGUMENT_NEEDED, "VRFY address", 10 /* SMTPUTF8 */, true, true},
    {"EXPN", run_expn, ARGUMENT_OPTIONAL, "EXPN list", 0, false, true},
    {"HELP", run_help, ARGUMENT_OPTIONAL, "HELP", 0, false},
    {"QUIT", run_quit, ARGUMENT_NONE, "QUIT", 0, false},
    {"STARTTLS", session_run_starttls, ARGUMENT_NONE, "STARTTLS", 0, false},
    /* BDAT checks all itself: whatever is wrong, its octets come. */
    {"BDAT", run_bdat, ARGUMENT_OPTIONAL, "BDAT size [LAST]", 0, false},
    /* These two lead to a state of their own choice. */
    {"AUTH", run_auth, ARGUMENT_NEEDED, "AUTH mechanism", LINE_MAX_EXTRA, false, true},
    {"XCLIENT", run_xclient, ARGUMENT_NEEDED, "XCLIENT name=value ...", LINE_MAX_EXTRA, true, false,
     true},
};

#define COMMANDS (sizeof commands / sizeof *commands)

/* Where a command leads when it succeeds, columns in the order of `commands`; X: out of sequence.
 */
/* clang-format off */
enum { X, GREETED = STATE_GREETED, READY = STATE_READY, MAIL = STATE_MAIL, RCPT = STATE_RCPT,
       DATA = STATE_DATA, TLS = STATE_HANDSHAKE, CHUNK = STATE_CHUNK, CHUNKS = STATE_CHUNKS,
       BYE = STATE_CLOSING };

static const unsigned char transitions[][COMMANDS] = {
    /*                 EHLO   HELO   LHLO   MAIL  RCPT  DATA  RSET     NOOP     VRFY     EXPN     HELP     QUIT STARTTLS BDAT AUTH XCLIENT */
    [STATE_GREETED] = {READY, READY, READY, X,    X,    X,    GREETED, GREETED, GREETED, GREETED, GREETED, BYE, X,   CHUNK, X,     GREETED},
    [STATE_READY]   = {READY, READY, READY, MAIL, X,    X,    READY,   READY,   READY,   READY,   READY,   BYE, TLS, CHUNK, READY, GREETED},
    [STATE_MAIL]    = {READY, READY, READY, X,    RCPT, X,    READY,   MAIL,    MAIL,    MAIL,    MAIL,    BYE, X,   CHUNK, X,     X},
    [STATE_RCPT]    = {READY, READY, READY, X,    RCPT, DATA, READY,   RCPT,    RCPT,    RCPT,    RCPT,    BYE, X,   CHUNK, X,     X},
    [STATE_CHUNKS]  = {READY, READY, READY, X,    X,    X,    READY,   CHUNKS,  CHUNKS,  CHUNKS,  CHUNKS,  BYE, X,   CHUNK, X,     X},
};
/* clang-format on */

static bool is_ascii(const char *text)
{
    while (*text)
        if ((unsigned char)*text++ >= 0x80)
            return false;
    return true;
}

/* What a listener does not offer is not there for its clients. */
static bool is_offered(const struct session *session, const struct command *command)
{
    if (command->run == run_auth)
        return session->auth_offer != LISTEN_AUTH_OFF;
    if (command->run == session_run_starttls)
        return session->tls_offer != LISTEN_TLS_OFF;
    if (command->run == session_run_ehlo || command->run == session_run_helo)
        return !session->lmtp;
    return command->run != session_run_lhlo || session->lmtp;
}

static const struct command *find_command(const struct session *session, const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcasecmp(commands[i].name, name) == 0 && is_offered(session, &commands[i]))
            return &commands[i];
    return NULL;
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
    unsigned char next = transitions[session->state][command - commands];
    bool wrong =
        *argument ? command->argument == ARGUMENT_NONE : command->argument == ARGUMENT_NEEDED;
    if (command->needs_trust && !session->trusted)
        session_refuse(session, 550, "5.7.0", "Not authorized to say for whom you speak");
    else if (command->needs_tls && session->tls_offer == LISTEN_TLS_REQUIRED && !session->tls)
        session_refuse(session, 530, "5.7.0", "STARTTLS first");
    else if (next == X)
        out_of_sequence(session);
    else if (wrong)
        session_bad_command(session, 501, "5.5.4", "Syntax: %s", command->syntax);
    else if (command->run(session, argument))
        session->state = next;
}

void session_command(struct session *session, char *line)
{
    size_t length = strlen(line);
    size_t end = length; /* without trailing white space (RFC 5321 section 4.1.1) */
    while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t'))
        line[--end] = 0;
    char *argument = line + strcspn(line, " ");
    if (*argument)
        *argument++ = 0;
    argument += strspn(argument, " ");

    const struct command *command = find_command(session, line);
    session->command = command ? command->name : "unknown";
    /* Arguments of other commands may hold what the log should not, such as passwords. */
    bool log_argument =
        command && (command->run == session_run_mail || command->run == session_run_rcpt);
    session->argument = log_argument ? argument : "";
    if (length + 2 > LINE_MAX_OCTETS + (command ? command->extra_octets : 0))
        session_bad_command(session, 500, "5.5.2", "Line too long");
    else if (!command)
        session_bad_command(session, 500, "5.5.2", "Command not recognized");
    else if (!command->utf8 && !is_ascii(argument))
        session_bad_command(session, 500, "5.5.2", "Only ASCII is allowed here");
    else
        run(session, command, argument);
    session->command = session->argument = "";
}

static bool run_rset(struct session *session, const char *argument)
{
    (void)argument;
    session_drop_transaction(session);
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
        if (commands[i].run != run_expn && is_offered(session, &commands[i]) &&
            (session->trusted || !commands[i].needs_trust))
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

static bool run_bdat(struct session *session, const char *argument)
{
    return session_begin_chunk(session, argument);
}

static bool run_auth(struct session *session, const char *argument)
{
    session_begin_auth(session, argument);
    return false;
}

static bool run_xclient(struct session *session, const char *argument)
{
    session_change_client(session, argument);
    return false;
}
