/*
 * command.c - the commands (RFC 5321 section 4.1.1), one function each, and the states between
 * them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../path.h"
#include "../spill.h"
#include "parameter.h"
#include "recipient.h"
#include "session_private.h"

/* Each answers, and returns whether the session goes where `transitions` says. The argument is
 * without spaces around it, "" where there is none. */
static bool run_ehlo(struct session *session, const char *argument);
static bool run_helo(struct session *session, const char *argument);
static bool run_mail(struct session *session, const char *argument);
static bool run_rcpt(struct session *session, const char *argument);
static bool run_data(struct session *session, const char *argument);
static bool run_rset(struct session *session, const char *argument);
static bool run_noop(struct session *session, const char *argument);
static bool run_vrfy(struct session *session, const char *argument);
static bool run_expn(struct session *session, const char *argument);
static bool run_help(struct session *session, const char *argument);
static bool run_quit(struct session *session, const char *argument);
static bool run_starttls(struct session *session, const char *argument);
static bool run_bdat(struct session *session, const char *argument);
static bool run_auth(struct session *session, const char *argument);

enum argument { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_NEEDED };

static const struct command {
    const char *name;
    bool (*run)(struct session *session, const char *argument);
    enum argument argument;
    const char *syntax;
    unsigned extra_octets; /* over the 512 of a command line, for its parameters */
    bool utf8;             /* may hold bytes beyond ASCII, which it checks itself */
    bool needs_tls;        /* where the listener requires it (RFC 3207 section 4) */
} commands[] = {
    /* EHLO and HELO check their argument themselves: their replies have no enhanced code. */
    {"EHLO", run_ehlo, ARGUMENT_OPTIONAL, "EHLO hostname", 0, false},
    {"HELO", run_helo, ARGUMENT_OPTIONAL, "HELO hostname", 0, false},
    {"MAIL", run_mail, ARGUMENT_NEEDED, "MAIL FROM:<address>", LINE_EXTRA_MAIL, true, true},
    {"RCPT", run_rcpt, ARGUMENT_NEEDED, "RCPT TO:<address>", LINE_EXTRA_RCPT, true, true},
    {"DATA", run_data, ARGUMENT_NONE, "DATA", 0, false, true},
    {"RSET", run_rset, ARGUMENT_NONE, "RSET", 0, false},
    {"NOOP", run_noop, ARGUMENT_OPTIONAL, "NOOP", 0, false},
    {"VRFY", run_vrfy, ARGUMENT_NEEDED, "VRFY address", 10 /* SMTPUTF8 */, true, true},
    {"EXPN", run_expn, ARGUMENT_OPTIONAL, "EXPN list", 0, false, true},
    {"HELP", run_help, ARGUMENT_OPTIONAL, "HELP", 0, false},
    {"QUIT", run_quit, ARGUMENT_NONE, "QUIT", 0, false},
    {"STARTTLS", run_starttls, ARGUMENT_NONE, "STARTTLS", 0, false},
    /* BDAT checks all itself: whatever is wrong, its octets come. */
    {"BDAT", run_bdat, ARGUMENT_OPTIONAL, "BDAT size [LAST]", 0, false},
    /* AUTH leads to a state of its own choice. */
    {"AUTH", run_auth, ARGUMENT_NEEDED, "AUTH mechanism", LINE_MAX_EXTRA, false, true},
};

#define COMMANDS (sizeof commands / sizeof *commands)

/* Where a command leads when it succeeds, columns in the order of `commands`; X: out of sequence.
 */
/* clang-format off */
enum { X, GREETED = STATE_GREETED, READY = STATE_READY, MAIL = STATE_MAIL, RCPT = STATE_RCPT,
       DATA = STATE_DATA, TLS = STATE_HANDSHAKE, CHUNK = STATE_CHUNK, CHUNKS = STATE_CHUNKS,
       BYE = STATE_CLOSING };

static const unsigned char transitions[][COMMANDS] = {
    /*                 EHLO   HELO   MAIL  RCPT  DATA  RSET     NOOP     VRFY     EXPN     HELP     QUIT STARTTLS BDAT AUTH */
    [STATE_GREETED] = {READY, READY, X,    X,    X,    GREETED, GREETED, GREETED, GREETED, GREETED, BYE, X,   CHUNK, X},
    [STATE_READY]   = {READY, READY, MAIL, X,    X,    READY,   READY,   READY,   READY,   READY,   BYE, TLS, CHUNK, READY},
    [STATE_MAIL]    = {READY, READY, X,    RCPT, X,    READY,   MAIL,    MAIL,    MAIL,    MAIL,    BYE, X,   CHUNK, X},
    [STATE_RCPT]    = {READY, READY, X,    RCPT, DATA, READY,   RCPT,    RCPT,    RCPT,    RCPT,    BYE, X,   CHUNK, X},
    [STATE_CHUNKS]  = {READY, READY, X,    X,    X,    READY,   CHUNKS,  CHUNKS,  CHUNKS,  CHUNKS,  BYE, X,   CHUNK, X},
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
    return command->run != run_starttls || session->tls_offer != LISTEN_TLS_OFF;
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
    static const char *const wants[] = {
        [STATE_GREETED] = "EHLO or HELO first",
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
    if (command->needs_tls && session->tls_offer == LISTEN_TLS_REQUIRED && !session->tls)
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
    bool log_argument = command && (command->run == run_mail || command->run == run_rcpt);
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

static bool greet(struct session *session, const char *name, const char *syntax)
{
    bool valid = *name && strlen(name) <= DOMAIN_MAX_OCTETS;
    for (const char *p = name; *p; p++) /* many a client's name is not a domain: any word will do */
        valid = valid && *p > ' ' && *p <= '~';
    if (!valid) {
        session_bad_command(session, 501, "", "Syntax: %s", syntax);
        return false;
    }
    char *copy = strdup(name);
    if (!copy) {
        session_refuse(session, 451, "", "Out of memory, try again later");
        return false;
    }
    free(session->helo);
    session->helo = copy;
    session_drop_transaction(session);
    return true;
}

static bool run_ehlo(struct session *session, const char *argument)
{
    if (!greet(session, argument, "EHLO hostname"))
        return false;
    session->esmtp = true;
    session_reply_more(session, 250, "%s", session->config->hostname);
    session_reply_more(session, 250, "SIZE %llu",
                       (unsigned long long)session->config->smtp.max_size);
    session_reply_more(session, 250, "PIPELINING");
    session_reply_more(session, 250, "8BITMIME");
    session_reply_more(session, 250, "SMTPUTF8");
    session_reply_more(session, 250, "CHUNKING");
    session_reply_more(session, 250, "BINARYMIME");
    session_reply_more(session, 250, "LIMITS RCPTMAX=%zu", session->config->smtp.max_recipients);
    session_reply_more(session, 250, "ENHANCEDSTATUSCODES");
    if (session->tls_offer != LISTEN_TLS_OFF && !session->tls)
        session_reply_more(session, 250, "STARTTLS");
    if (session->auth_offer != LISTEN_AUTH_OFF && session->tls && !session->user)
        session_reply_more(session, 250, "AUTH PLAIN LOGIN");
    session_reply(session, 250, "", "HELP");
    return true;
}

static bool run_helo(struct session *session, const char *argument)
{
    if (!greet(session, argument, "HELO hostname"))
        return false;
    session->esmtp = false;
    session_reply(session, 250, "", "%s", session->config->hostname);
    return true;
}

/* Steps over "FROM:" or "TO:". Blanks after it are not in the grammar, but in use. NULL: not there.
 */
static const char *skip_keyword(const char *argument, const char *keyword)
{
    size_t length = strlen(keyword);
    if (strncasecmp(argument, keyword, length) != 0)
        return NULL;
    return argument + length + strspn(argument + length, " ");
}

/* True: fine. Else it is answered. */
static bool parameters_fine(struct session *session, enum parameter_result result)
{
    if (result == PARAMETER_BAD)
        session_bad_command(session, 501, "5.5.4", "Bad parameter");
    else if (result == PARAMETER_UNKNOWN)
        session_bad_command(session, 555, "5.5.4", "Parameter not recognized");
    return result == PARAMETER_OK;
}

static int fill_envelope(struct session *session, const char *sender,
                         const struct mail_parameters *parameters)
{
    struct envelope *envelope = &session->transaction->envelope;
    envelope->helo = strdup(session->helo);
    if (!envelope->helo)
        return -ENOMEM;
    memcpy(envelope->client_ip, session->client_ip, sizeof envelope->client_ip);
    envelope->esmtp = session->esmtp;
    envelope->tls = session->tls;
    if (session->user && !(envelope->user = strdup(session->user)))
        return -ENOMEM;
    envelope->smtputf8 = parameters->smtputf8;
    envelope->eight_bit = parameters->eight_bit;
    return transaction_set_sender(session->transaction, sender);
}

static bool begin_transaction(struct session *session, const char *sender,
                              const struct mail_parameters *parameters)
{
    struct ruleset *rules = session->hooks.rules(session->context);
    if (!rules)
        return false;
    id_child(session->transaction_id, session->id, ++session->transactions);
    session->transaction =
        transaction_new(session->transaction_id, rules, session->hooks.release_rules);
    if (!session->transaction) {
        session->hooks.release_rules(rules);
        return false;
    }
    session->smtputf8 = parameters->smtputf8;
    session->binary = parameters->binary;
    if (fill_envelope(session, sender, parameters) != 0) {
        session_drop_transaction(session);
        return false;
    }
    if (session->hooks.begin)
        session->hooks.begin(session->context, session->transaction);
    return true;
}

static bool run_mail(struct session *session, const char *argument)
{
    struct path path;
    struct mail_parameters parameters;
    const char *text = skip_keyword(argument, "FROM:");
    if (session->auth_offer == LISTEN_AUTH_REQUIRED && !session->user) {
        session_refuse(session, 530, "5.7.0", "Authentication required");
        return false;
    }
    const char *end = text ? path_parse(text, PATH_REVERSE, &path) : NULL;
    if (!text)
        session_bad_command(session, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
    else if (!end)
        session_bad_command(session, 501, "5.1.7", "Bad sender address syntax");
    else if (!parameters_fine(session, mail_parameters_parse(end, &parameters)))
        return false;
    else if (parameters
                 .require_tls) /* what comes after us is no SMTP, so nobody could promise it */
        session_refuse(session, 555, "5.7.30", "REQUIRETLS is not supported");
    else if (path.non_ascii && !parameters.smtputf8)
        session_refuse(session, 553, "5.6.7", "Sender address needs SMTPUTF8");
    else if (parameters.size > session->config->smtp.max_size)
        session_refuse(session, 552, "5.3.4", "Message size exceeds the limit of %llu bytes",
                       (unsigned long long)session->config->smtp.max_size);
    else if (session->hooks.has_room && !session->hooks.has_room(session->context))
        session_refuse(session, 451, "4.3.2", "Too busy, try again later");
    else if (session->hooks.take_message && !session->hooks.take_message(session->context))
        session_refuse(session, 451, "4.7.1",
                       "Too many messages from your address, try again later");
    else if (!begin_transaction(session, path.address, &parameters))
        session_refuse(session, 451, "4.3.0", "Cannot take mail now, try again later");
    else {
        session_reply(session, 250, "2.1.0", "Sender OK");
        return true;
    }
    return false;
}

static enum recipient_answer check_recipient(struct session *session, const char *address)
{
    return session->hooks.check_recipient(session->context, session->transaction->rules, address);
}

/* True: it is one of the transaction's recipients now. Else it is answered. */
static bool take_recipient(struct session *session, const char *address)
{
    struct transaction *transaction = session->transaction;
    size_t session_limit = session->config->access.recipients_per_session;
    if (recipient_is_known(&transaction->envelope, address))
        return true;
    if (transaction->envelope.recipient_count >= session->config->smtp.max_recipients)
        session_refuse(session, 452, "4.5.3", "Too many recipients");
    else if (session_limit > 0 && session->recipients >= session_limit)
        session_refuse(session, 452, "4.5.3", "Too many recipients in one session");
    else if (check_recipient(session, address) == RECIPIENT_UNKNOWN)
        session_refuse(session, 550, "5.1.1", "No such recipient here");
    else if (transaction_add_recipient(transaction, address) != 0)
        session_refuse(session, 451, "4.3.0", "Out of memory, try again later");
    else {
        session->recipients++;
        return true;
    }
    return false;
}

static bool run_rcpt(struct session *session, const char *argument)
{
    struct path path;
    char address[sizeof path.address + 1 + DOMAIN_MAX_OCTETS];
    const char *text = skip_keyword(argument, "TO:");
    const char *end = text ? path_parse(text, PATH_FORWARD, &path) : NULL;
    if (!text)
        session_bad_command(session, 501, "5.5.4", "Syntax: RCPT TO:<address>");
    else if (!end)
        session_bad_command(session, 501, "5.1.3", "Bad recipient address syntax");
    if (!end || !parameters_fine(session, rcpt_parameters_parse(end)))
        return false;
    if (path.domain)
        snprintf(address, sizeof address, "%s", path.address);
    else
        snprintf(address, sizeof address, "%s@%s", path.address,
                 recipient_postmaster_domain(session->config));
    if (path.non_ascii && !session->smtputf8)
        session_refuse(session, 553, "5.6.7", "Recipient address needs SMTPUTF8 in MAIL");
    else if (path.domain && !recipient_domain_is_ours(&session->config->smtp, path.domain))
        session_refuse(session, 550, "5.7.1", "Relaying denied: no mail is taken for this domain");
    else if (take_recipient(session, address)) {
        session_reply(session, 250, "2.1.5", "Recipient OK");
        return true;
    }
    return false;
}

static bool run_data(struct session *session, const char *argument)
{
    (void)argument;
    if (session->binary) { /* RFC 3030 section 3 */
        session_refuse(session, 503, "5.5.1", "BODY=BINARYMIME comes by BDAT, not DATA");
        return false;
    }
    if (!session_begin_data(session)) {
        session_refuse(session, 451, "4.3.0", "Out of memory, try again later");
        return false;
    }
    session_reply(session, 354, "", "End data with <CR><LF>.<CR><LF>");
    return true;
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
        if (commands[i].run != run_expn && is_offered(session, &commands[i]))
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

/* RFC 3207. Nothing that was said before counts afterwards. */
static bool run_starttls(struct session *session, const char *argument)
{
    (void)argument;
    if (session->tls) {
        session_bad_command(session, 503, "5.5.1", "TLS is active already");
        return false;
    }
    free(session->helo);
    session->helo = NULL;
    session->esmtp = session->smtputf8 = false;
    session_reply(session, 220, "2.0.0", "Ready to start TLS");
    session_flush(session);
    session->hooks.start_tls(session->context);
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
