#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../mail/buffer.h"
#include "../smtp/sockets.h"

#define TIMEOUT_S  60 /* a reload may have many rules to load */
#define ANSWER_MAX (8u << 20)

static const struct listen_address *where_to(const struct admin_config *admin)
{
    for (size_t i = 0; i < admin->listen_count; i++)
        if (socket_is_unix(&admin->listen[i]))
            return &admin->listen[i];
    return admin->listen_count > 0 ? &admin->listen[0] : NULL;
}

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct buffer *answer = context;
    size_t more = size * count;
    bool room = answer->size + more <= ANSWER_MAX;
    return room && buffer_append(answer, bytes, more) == 0 ? more : 0;
}

static struct curl_slist *headers(void)
{
    char text[1024];
    const char *token = getenv("MXHOOK_TOKEN");
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    if (!token || !*token)
        return list;
    snprintf(text, sizeof text, "Authorization: Bearer %s", token);
    return curl_slist_append(list, text);
}

static void set_address(CURL *easy, const struct listen_address *to, const char *path)
{
    char url[2048], address[SOCKET_ADDRESS_SIZE] = "localhost";
    if (socket_is_unix(to))
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, to->host);
    else
        socket_format_address(to, to->port, address);
    snprintf(url, sizeof url, "http://%s%s", address, path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
}

static int perform(CURL *easy, const struct listen_address *to, struct error *err)
{
    char address[SOCKET_ADDRESS_SIZE];
    long status = 0;
    CURLcode rc = curl_easy_perform(easy);
    socket_format_address(to, to->port, address);
    if (rc != CURLE_OK)
        return error_set(err, -ECONNREFUSED, "the server does not answer at %s: %s", address,
                         curl_easy_strerror(rc));
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

int client_ask(const struct config *config, const char *path, const char *body, char **text,
               struct error *err)
{
    const struct listen_address *to = where_to(&config->admin);
    struct buffer answer = {0};
    *text = NULL;
    if (!to)
        return error_set(err, -ENOTSUP, "admin.listen is not set: there is nothing to ask");
    CURL *easy = curl_easy_init();
    if (!easy)
        return error_set(err, -ENOMEM, "out of memory");
    struct curl_slist *list = headers();
    set_address(easy, to, path);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
    if (body)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    int status = perform(easy, to, err);
    curl_slist_free_all(list);
    curl_easy_cleanup(easy);
    if (status >= 0 && buffer_append_byte(&answer, 0) != 0)
        status = error_set(err, -ENOMEM, "out of memory");
    if (status < 0)
        buffer_free(&answer);
    else
        *text = answer.bytes;
    return status;
}

/* SQLite reads JSON, and is here already. */
char *client_field(const char *json, const char *name)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    char path[128], *value = NULL;
    snprintf(path, sizeof path, "$.%s", name);
    if (sqlite3_open(":memory:", &db) == SQLITE_OK &&
        sqlite3_prepare_v2(
            db,
            "SELECT CASE json_type(?1, ?2) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
            "ELSE json_extract(?1, ?2) END WHERE json_valid(?1)",
            -1, &s, NULL) == SQLITE_OK) {
        sqlite3_bind_text(s, 1, json, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 2, path, -1, SQLITE_STATIC);
        const char *text =
            sqlite3_step(s) == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
        value = text ? strdup(text) : NULL;
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}
