#include "scan_headers.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "../base/log.h"
#include "../deliver/reference.h"

static bool add(struct curl_slist **headers, const char *name, const char *value)
{
    char line[1100];
    if (!value || !*value)
        return true;
    snprintf(line, sizeof line, "%s: %s", name, value);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    struct curl_slist *longer = curl_slist_append(*headers, line);
    OPENSSL_cleanse(line, sizeof line);
    *headers = longer ? longer : *headers;
    return longer;
}

static bool add_password(struct curl_slist **headers, const struct config *config, const char *id)
{
    char buffer[REFERENCE_SIZE];
    const char *value;
    struct error err = {""};
    if (!config->scan.password)
        return true;
    bool read = reference_read(config->scan.password, buffer, &value, &err) == 0;
    if (!read)
        log_limited(LOG_WARN, "scanner", id, LOG_TEXT("error", err.text));
    bool added = !read || add(headers, "Password", value);
    OPENSSL_cleanse(buffer, sizeof buffer);
    return added;
}

bool scan_headers(const struct config *config, const struct transaction *transaction,
                  const char *client_name, struct curl_slist **headers)
{
    const struct envelope *e = &transaction->envelope;
    char sender[300];
    snprintf(sender, sizeof sender, "<%s>", e->sender ? e->sender : "");
    bool added = add(headers, "Queue-Id", transaction->id) && add(headers, "IP", e->client_ip) &&
                 add(headers, "Helo", e->helo) && add(headers, "Hostname", client_name) &&
                 add(headers, "From", sender) && add(headers, "User", e->user) &&
                 add(headers, "TLS-Version", e->tls ? "TLS" : NULL) &&
                 add(headers, "MTA-Name", config->hostname) &&
                 add_password(headers, config, transaction->id);
    for (size_t i = 0; added && i < e->recipient_count; i++)
        added = add(headers, "Rcpt", e->recipients[i]);
    struct curl_slist *longer = added ? curl_slist_append(*headers, "Expect:") : NULL;
    *headers = longer ? longer : *headers;
    return longer;
}
