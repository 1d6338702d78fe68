/* The playground: a message, and a rule that is not saved. */
#include <errno.h>
#include <fcntl.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/redact.h"
#include "../base/write_all.h"
#include "../trial.h"
#include "request.h"
#include "rule_files.h"

/* ---- Rules that are not saved ---- */

/* Of a file that the rules are read from: any other would be tried for nothing, and stay behind. */
static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               size &&
           size > 4 && size < 200 && name[0] != '.' && strcmp(name + size - 4, ".lua") == 0;
}

static int write_text(const char *directory, const char *name, const char *text, size_t size)
{
    char path[4500];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int code = write_all(fd, text, size);
    close(fd);
    return code;
}

/* A copy of the folder in which `name` has this text. */
static int copy_rules(const char *from, const char *to, const char *name, const char *text,
                      size_t text_size)
{
    struct dirent **entries;
    int count = rule_files_list(from, &entries), code = 0;
    for (int i = 0; i < count && code == 0; i++) {
        size_t size;
        char *bytes = rule_file_read(from, entries[i]->d_name, &size);
        code = bytes ? write_text(to, entries[i]->d_name, bytes, size) : -EIO;
        free(bytes);
    }
    if (count >= 0)
        rule_files_free(entries, count);
    if (code == 0 && name)
        code = write_text(to, name, text, text_size);
    return count < 0 ? -errno : code;
}

static void remove_copy(const char *directory)
{
    struct dirent **entries;
    int count = rule_files_list(directory, &entries);
    char path[4500];
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        unlink(path);
    }
    if (count >= 0)
        rule_files_free(entries, count);
    rmdir(directory);
}

/* The folder of the copy is nobody's business: "05-new.lua:2: ...". */
static void response_wrong_rules(struct request *request, struct error *err, const char *directory)
{
    size_t size = strlen(directory);
    for (char *at = err->text; (at = strstr(at, directory));)
        memmove(at, at + size + (at[size] == '/'), strlen(at + size + (at[size] == '/')) + 1);
    response_error(request, 422, "%s", err->text);
}

static bool load(struct request *request, struct lua_State *L, struct playground *p)
{
    size_t size = 0;
    const char *file = body_text(L, "file"), *text = body_bytes(L, "text", &size);
    struct rules_config rules = request->config->rules;
    struct error err = {""};
    if (file && !is_name(file)) {
        response_error(request, 400, "file: the name of a rule's file, such as 10-alias.lua");
        return false;
    }
    int code = copy_rules(rules.directory, p->directory, file && text ? file : NULL, text, size);
    if (code != 0) {
        response_error(request, 503, "the rules cannot be copied: %s", strerror(-code));
        return false;
    }
    rules.directory = p->directory;
    rules.unsafe = false; /* whoever may try a rule here need not be whoever may run programs */
    code = ruleset_load(&rules, 1, &p->rules, &err);
    if (code != 0)
        response_wrong_rules(request, &err, p->directory);
    return code == 0;
}

bool playground_begin(struct request *request, struct lua_State *L, struct playground *p)
{
    p->rules = NULL;
    snprintf(p->directory, sizeof p->directory, "%s/playground-XXXXXX",
             request->config->spool.directory);
    if (mkdtemp(p->directory))
        return load(request, L, p);
    response_error(request, 503, "%s: %s", p->directory, strerror(errno));
    *p->directory = 0;
    return false;
}

void playground_end(struct playground *p)
{
    ruleset_unref(p->rules);
    if (*p->directory)
        remove_copy(p->directory);
}

void playground_put_destinations(struct json *json, const char *key, const struct verdict *v)
{
    char url[REDACT_SIZE];
    json_key(json, key);
    json_begin_array(json);
    for (size_t i = 0; i < v->destination_count; i++) {
        redact_url(v->destinations[i].url, url);
        json_text(json, destination_is_mail(&v->destinations[i]) ? v->destinations[i].url : url);
    }
    json_end_array(json);
}

/* ---- One message ---- */

static void write_trial(struct json *json, const struct trial *trial)
{
    const struct reply *reply = trial_reply(trial);
    const struct verdict *v = trial->verdict;
    json_begin_object(json);
    json_pair(json, "recipient", trial_recipient(trial));
    json_pair_number(json, "code", reply->code);
    json_pair(json, "text", reply->text);
    json_pair(json, "rule", *v->rule ? v->rule : NULL);
    json_key(json, "steps");
    json_begin_array(json);
    for (const struct trial_step *step = trial->steps; step; step = step->next) {
        json_begin_object(json);
        json_pair(json, "rule", step->rule);
        json_pair(json, "answer", step->answer);
        json_end_object(json);
    }
    json_end_array(json);
    playground_put_destinations(json, "destinations", v);
    json_end_object(json);
}

/* The message that was pasted, or one of the history. NULL: an error is the response. */
static struct spill *message_of(struct request *request, struct lua_State *L)
{
    size_t size = 0;
    const char *pasted = body_bytes(L, "message", &size);
    struct spill *data = pasted ? spill_from_bytes(pasted, size) : NULL;
    if (!data)
        response_error(request, 400, "message: the text of a message, its headers included");
    return data;
}

static void try_message(struct request *request, struct ruleset *rules, struct lua_State *L)
{
    struct trial_envelope envelope = {.sender = body_text(L, "sender"),
                                      .recipient = body_text(L, "recipient"),
                                      .client_ip = body_text(L, "client_ip")};
    struct spill *data = message_of(request, L);
    struct trial *trial = NULL;
    struct error err = {""};
    if (!data)
        return;
    int code = trial_run(request->config, rules, data, &envelope, &trial, &err);
    struct json *json = code == 0 ? response_json(request) : NULL;
    if (code != 0)
        response_error(request, 422, "%s", err.text);
    if (json)
        write_trial(json, trial);
    trial_free(trial);
    spill_free(data);
}

void api_playground(struct request *request)
{
    struct playground playground;
    struct lua_State *L = request_body(request);
    if (!L)
        return;
    if (playground_begin(request, L, &playground))
        try_message(request, playground.rules, L);
    playground_end(&playground);
    lua_close(L);
}
