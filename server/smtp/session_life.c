/* session_life.c - a session is made, told, asked and freed; a transaction of its is dropped. No reply. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/metrics.h"
#include "session_private.h"

struct session *session_new(struct config *config, const struct session_hooks *hooks, void *context,
                            const char *id, const char *client_ip, const char *temporary_directory)
{
    struct session *session = calloc(1, sizeof *session);
    char *directory = strdup(temporary_directory);
    if (!session || !directory) {
        free(session);
        free(directory);
        return NULL;
    }
    session->config = config_ref(config);
    session->hooks = *hooks;
    session->context = context;
    session->temporary_directory = directory;
    snprintf(session->id, sizeof session->id, "%s", id);
    snprintf(session->client_ip, sizeof session->client_ip, "%s", client_ip);
    session->state = STATE_GREETED;
    session->command = session->argument = "";
    line_init(&session->line);
    return session;
}

void session_set_listener(struct session *session, const struct listen_address *listener)
{
    bool possible = session->hooks.start_tls && session->config->tls.context;
    session->tls_offer = possible ? listener->tls : LISTEN_TLS_OFF;
    session->auth_offer = session->hooks.verify ? listener->auth : LISTEN_AUTH_OFF;
    session->auth_in_clear = listener->auth_without_tls;
    session->lmtp = listener->lmtp;
}

void session_set_client(struct session *session, const char *client_ip)
{
    if (!*session->proxy)
        memcpy(session->proxy, session->client_ip, sizeof session->proxy);
    snprintf(session->client_ip, sizeof session->client_ip, "%s", client_ip);
}

void session_trust(struct session *session)
{
    session->trusted = true;
}

const char *session_client(const struct session *session)
{
    return session->client_ip;
}

void session_tls_started(struct session *session)
{
    session->tls = true;
    if (session->state == STATE_HANDSHAKE)
        session->state = STATE_GREETED;
}

void session_go_on(struct session *session)
{
    if (session->state == STATE_DELAYED)
        session->state = session->before_delay;
}

uint64_t session_progress(const struct session *session)
{
    return session->progress;
}

bool session_is_in_message(const struct session *session)
{
    return session->state == STATE_DATA || session->state == STATE_CHUNK;
}

int64_t session_timeout_ms(const struct session *session)
{
    if (session->state >= STATE_WAITING)
        return 0;
    return session_is_in_message(session) ? session->config->smtp.data_timeout_ms
                                          : session->config->smtp.command_timeout_ms;
}

void session_forget_transaction(struct session *session)
{
    transaction_free(session->transaction);
    session->transaction = NULL;
    free(session->expected.recipients);
    session->expected = (struct expected){0};
}

void session_drop_transaction(struct session *session)
{
    if (session->transaction && session->transaction->data)
        metric_add(METRIC_MESSAGES_TOTAL, 1, "aborted");
    session_forget_transaction(session);
}

void session_free(struct session *session)
{
    if (!session)
        return;
    session_drop_transaction(session);
    config_unref(session->config);
    free(session->temporary_directory);
    free(session->helo);
    free(session->checked);
    free(session->claimed);
    free(session->user);
    free(session->output);
    free(session);
}
