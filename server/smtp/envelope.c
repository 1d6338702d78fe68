/* envelope.c - MAIL, RCPT and DATA (RFC 5321 section 3.3): what makes a transaction. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/path.h"
#include "parameter.h"
#include "recipient.h"
#include "session_private.h"

/* Steps over "FROM:" or "TO:". Blanks after it are not in the grammar, but in use. NULL: not there.
 */
static const char *skip_keyword(const char *argument, const char *keyword)
{
    size_t length = strlen(keyword);
    if (strncasecmp(argument, keyword, length) != 0)
        return NULL;
    return argument + length + strspn(argument + length, " \t");
}

/* True: fine. Else it is answered. */
static bool parameters_fine(struct session *session, enum parameter_result result,
                            const struct parameter_name *name)
{
    if (result == PARAMETER_BAD)
        session_bad_command(session, 501, "5.5.4", "Bad value of the parameter %.*s", name->length,
                            name->text);
    else if (result == PARAMETER_UNKNOWN)
        session_bad_command(session, 555, "5.5.4", "Parameter not recognized: %.*s", name->length,
                            name->text);
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
    memcpy(envelope->proxy, session->proxy, sizeof envelope->proxy);
    envelope->lmtp = session->lmtp;
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
    session->data_refused = false;
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

/* Why, before anything is looked at, no message may begin now. True: none. */
static bool may_begin(struct session *session)
{
    const struct session_hooks *hooks = &session->hooks;
    if (hooks->has_room && !hooks->has_room(session->context))
        session_refuse(session, 451, "4.3.2", "Too busy, try again later");
    else if (hooks->has_storage && !hooks->has_storage(session->context))
        session_refuse(session, 452, "4.3.1", "Insufficient system storage, try again later");
    else if (hooks->take_message && !hooks->take_message(session->context))
        session_refuse(session, 451, "4.7.1",
                       "Too many messages from your address, try again later");
    else
        return true;
    return false;
}

/* An address without a domain gets smtp.append_domain. False: it is answered. */
static bool complete(struct session *session, struct path *path, int code, const char *enhanced,
                     const char *what)
{
    const char *domain = session->config->smtp.append_domain;
    size_t size = strlen(path->address);
    if (path->domain || size == 0)
        return true;
    if (!domain)
        session_bad_command(session, code, enhanced, "%s has no domain: user@example.com is needed",
                            what);
    else if (size + 1 + strlen(domain) > PATH_MAX_OCTETS - 2)
        session_bad_command(session, code, enhanced, "%s is longer than 254 octets", what);
    else {
        path->address[size] = '@';
        strcpy(path->address + size + 1, domain);
        path->domain = path->address + size + 1;
        return true;
    }
    return false;
}

/* Reads all that MAIL says. False: it is answered. */
static bool read_mail(struct session *session, const char *argument, struct path *path,
                      struct mail_parameters *parameters)
{
    struct parameter_name name;
    const char *text = skip_keyword(argument, "FROM:");
    if (!text || !*text) {
        session_bad_command(session, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
        return false;
    }
    const char *end = path_read(text, PATH_REVERSE, path);
    if (!end) {
        session_bad_command(session, 501, "5.1.7", "Bad sender address syntax: %s", path->wrong);
        return false;
    }
    return parameters_fine(session, mail_parameters_parse(end, parameters, &name), &name) &&
           complete(session, path, 501, "5.1.7", "The sender");
}

bool session_run_mail(struct session *session, const char *argument)
{
    struct path path;
    struct mail_parameters parameters;
    if (session->auth_offer == LISTEN_AUTH_REQUIRED && !session->user) {
        session_refuse(session, 530, "5.7.0", "Authentication required");
        return false;
    }
    if (!read_mail(session, argument, &path, &parameters))
        return false;
    if (parameters.require_tls) /* what comes after us is no SMTP, so nobody could promise it */
        session_refuse(session, 555, "5.7.30", "REQUIRETLS is not supported");
    else if (path.non_ascii && !parameters.smtputf8)
        session_refuse(session, 553, "5.6.7", "Sender address needs the parameter SMTPUTF8");
    else if (parameters.size > session->config->smtp.max_size)
        session_refuse(session, 552, "5.3.4", "Message size exceeds the limit of %llu bytes",
                       (unsigned long long)session->config->smtp.max_size);
    else if (!may_begin(session))
        return false;
    else if (!begin_transaction(session, path.address, &parameters))
        session_refuse(session, 451, "4.3.0", "Cannot take mail now, try again later");
    else {
        session_reply(session, 250, "2.1.0", "Sender OK");
        return true;
    }
    return false;
}

/* Who has seen a rewritten sender could else send any mail to whom it stands for, through us. True:
 * this may be a bounce. Else it is answered. */
static bool may_be_bounce(struct session *session)
{
    const struct envelope *envelope = &session->transaction->envelope;
    if (*envelope->sender) {
        session_refuse(session, 550, "5.7.1",
                       "A rewritten sender takes bounces only (MAIL FROM:<>)");
        session_count_refused(session);
    } else if (envelope->recipient_count > 0)
        session_refuse(session, 452, "4.5.3", "A bounce has one recipient");
    else
        return true;
    return false;
}

/* True: it may be one more. Else it is answered. */
static bool may_add(struct session *session)
{
    size_t session_limit = session->config->access.recipients_per_session;
    if (session->transaction->envelope.recipient_count >= session->config->smtp.max_recipients)
        session_refuse(session, 452, "4.5.3", "Too many recipients");
    else if (session_limit > 0 && session->recipients >= session_limit)
        session_refuse(session, 452, "4.5.3", "Too many recipients in one session");
    else if (session->transaction->bounce)
        session_refuse(session, 452, "4.5.3", "A bounce has one recipient");
    else
        return true;
    return false;
}

/* Answers. True: it is one of the transaction's recipients now. */
static bool add_recipient(struct session *session, const char *address)
{
    struct transaction *transaction = session->transaction;
    size_t count = transaction->envelope.recipient_count;
    size_t index = recipient_index(&transaction->envelope, address);
    if (!session_expect_reply(session, index))
        return false;
    if (index == count && transaction_add_recipient(transaction, address) != 0) {
        session_unexpect_reply(session);
        session_refuse(session, 451, "4.3.0", "Out of memory, try again later");
        return false;
    }
    session->recipients += index == count;
    session_reply(session, 250, "2.1.5", "Recipient OK");
    return true;
}

/* The same, as its check says. */
static bool take_recipient(struct session *session, const char *address,
                           enum recipient_answer answer)
{
    switch (answer) {
    case RECIPIENT_OK: return add_recipient(session, address);
    case RECIPIENT_BOUNCE:
        session->transaction->bounce = may_be_bounce(session);
        return session->transaction->bounce && add_recipient(session, address);
    case RECIPIENT_UNKNOWN: session_refuse(session, 550, "5.1.1", "No such recipient here"); break;
    case RECIPIENT_LATER:
        session_refuse(session, 451, "4.4.3",
                       "The recipient cannot be looked up now, try again later");
        return false; /* nobody's guess */
    case RECIPIENT_FORGED:
        session_refuse(session, 550, "5.1.1",
                       "No such recipient here: not a sender rewritten by us");
        break;
    case RECIPIENT_EXPIRED:
        session_refuse(session, 550, "5.1.1", "This rewritten sender has expired");
        break;
    case RECIPIENT_WAIT: return false;
    }
    session_count_refused(session);
    return false;
}

static bool check_recipient(struct session *session, const char *address)
{
    const struct envelope *envelope = &session->transaction->envelope;
    if (recipient_index(envelope, address) < envelope->recipient_count)
        return add_recipient(session, address);
    if (!may_add(session))
        return false;
    char *copy = strdup(address);
    if (!copy) {
        session_refuse(session, 451, "4.3.0", "Out of memory, try again later");
        return false;
    }
    enum recipient_answer answer =
        session->hooks.check_recipient(session->context, session->transaction->rules, copy);
    if (answer == RECIPIENT_WAIT) {
        session->checked = copy;
        session->state = STATE_CHECKING;
        return false;
    }
    bool taken = take_recipient(session, copy, answer);
    free(copy);
    return taken;
}

void session_recipient_checked(struct session *session, enum recipient_answer answer)
{
    if (session->state != STATE_CHECKING)
        return;
    char *address = session->checked;
    session->checked = NULL;
    session->command = "RCPT";
    session->argument = address;
    bool any = session->transaction->envelope.recipient_count > 0;
    session->state = any ? STATE_RCPT : STATE_MAIL;
    if (take_recipient(session, address, answer))
        session->state = STATE_RCPT;
    session->command = session->argument = "";
    free(address);
    session_flush(session);
}

/* RFC 5321 section 4.5.1: postmaster, in any case, needs no domain. */
static void complete_postmaster(struct session *session, struct path *path)
{
    const char *domain = recipient_postmaster_domain(session->config);
    if (path->domain || strcasecmp(path->address, "postmaster") != 0)
        return;
    size_t size = strlen(path->address);
    snprintf(path->address + size, sizeof path->address - size, "@%s", domain);
    path->domain = path->address + size + 1;
}

static bool read_rcpt(struct session *session, const char *argument, struct path *path)
{
    struct parameter_name name;
    const char *text = skip_keyword(argument, "TO:");
    if (!text || !*text) {
        session_bad_command(session, 501, "5.5.4", "Syntax: RCPT TO:<address>");
        return false;
    }
    const char *end = path_read(text, PATH_FORWARD, path);
    if (!end) {
        session_bad_command(session, 501, "5.1.3", "Bad recipient address syntax: %s", path->wrong);
        return false;
    }
    complete_postmaster(session, path);
    return parameters_fine(session, rcpt_parameters_parse(end, &name), &name) &&
           complete(session, path, 501, "5.1.3", "The recipient");
}

bool session_run_rcpt(struct session *session, const char *argument)
{
    struct path path;
    if (!read_rcpt(session, argument, &path))
        return false;
    if (path.non_ascii && !session->smtputf8)
        session_refuse(session, 553, "5.6.7",
                       "Recipient address needs the parameter SMTPUTF8 in MAIL");
    else if (!recipient_domain_is_ours(&session->config->smtp, path.domain) &&
             !recipient_may_be_bounce(&session->config->forward, path.address, path.domain)) {
        session_refuse(session, 550, "5.7.1", "Relaying denied: no mail is taken for this domain");
        session_count_refused(session);
    } else
        return check_recipient(session, path.address);
    return false;
}

bool session_run_data(struct session *session, const char *argument)
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
