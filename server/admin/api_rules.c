/* The rules as they stand in their folder, and the playground: a message and a rule that is not saved. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/metrics.h"
#include "../base/redact.h"
#include "../base/write_all.h"
#include "../trial.h"
#include "request.h"

#define FILE_MAX (1u << 20) /* bytes of a rule that is shown */

static int is_rule(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 4 && strcmp(entry->d_name + size - 4, ".lua") == 0;
}

/* In the order in which they are asked. -1: cannot be read. */
static int list_rules(const char *directory, struct dirent ***entries)
{
    return scandir(directory, entries, is_rule, alphasort);
}

static void free_entries(struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

static char *read_file(const char *directory, const char *name, size_t *size)
{
    char path[4500];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(FILE_MAX + 1) : NULL;
    *size = text ? fread(text, 1, FILE_MAX, file) : 0;
    if (file)
        fclose(file);
    return text;
}

static void write_file(struct json *json, const char *directory, const char *name)
{
    static const char *const kinds[] = {"error", "time", "memory"};
    size_t size;
    char *text = read_file(directory, name, &size);
    double errors = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        errors += metric_value(METRIC_RULE_ERRORS_TOTAL, name, kinds[i]);
    json_begin_object(json);
    json_pair(json, "name", name);
    json_pair_number(json, "answered",
                     (int64_t)metric_value(METRIC_RULE_ANSWERS_TOTAL, name, NULL));
    json_pair_number(json, "errors", (int64_t)errors);
    json_key(json, "text");
    json_string(json, text ? text : "", size);
    json_end_object(json);
    free(text);
}

void api_rules(struct request *request)
{
    const char *directory = request->config->rules.directory;
    struct dirent **entries;
    int count = list_rules(directory, &entries);
    if (count < 0) {
        answer_error(request, 503, "%s: %s", directory, strerror(errno));
        return;
    }
    struct json *json = answer_json(request);
    if (json) {
        json_begin_object(json);
        json_pair(json, "directory", directory);
        json_key(json, "files");
        json_begin_array(json);
        for (int i = 0; i < count; i++)
            write_file(json, directory, entries[i]->d_name);
        json_end_array(json);
        json_end_object(json);
    }
    free_entries(entries, count);
}

/* ---- The playground ---- */

static bool is_name(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               strlen(name) &&
           strlen(name) < 200 && name[0] != '.';
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
static int copy_rules(const char *from, const char *to, const char *name, const char *text)
{
    struct dirent **entries;
    int count = list_rules(from, &entries), code = 0;
    for (int i = 0; i < count && code == 0; i++) {
        size_t size;
        char *bytes = read_file(from, entries[i]->d_name, &size);
        code = bytes ? write_text(to, entries[i]->d_name, bytes, size) : -EIO;
        free(bytes);
    }
    if (count >= 0)
        free_entries(entries, count);
    if (code == 0 && name)
        code = write_text(to, name, text, strlen(text));
    return count < 0 ? -errno : code;
}

static void remove_copy(const char *directory)
{
    struct dirent **entries;
    int count = list_rules(directory, &entries);
    char path[4500];
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        unlink(path);
    }
    if (count >= 0)
        free_entries(entries, count);
    rmdir(directory);
}

static void write_trial(struct json *json, const struct trial *trial)
{
    char url[REDACT_SIZE];
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
    json_key(json, "destinations");
    json_begin_array(json);
    for (size_t i = 0; i < v->destination_count; i++) {
        redact_url(v->destinations[i].url, url);
        json_text(json, destination_is_mail(&v->destinations[i]) ? v->destinations[i].url : url);
    }
    json_end_array(json);
    json_end_object(json);
}

/* The message that was pasted, or one of the history. NULL: an error is the answer. */
static struct spill *message_of(struct request *request, struct lua_State *L)
{
    const char *pasted = body_text(L, "message");
    struct spill *data = pasted ? spill_from_bytes(pasted, strlen(pasted)) : NULL;
    if (!data)
        answer_error(request, 400, "message: the text of a message, its headers included");
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
    struct json *json = code == 0 ? answer_json(request) : NULL;
    if (code != 0)
        answer_error(request, 422, "%s", err.text);
    if (json)
        write_trial(json, trial);
    trial_free(trial);
    spill_free(data);
}

static void play(struct request *request, struct lua_State *L, char *directory)
{
    const char *file = body_text(L, "file"), *text = body_text(L, "text");
    struct rules_config rules = request->config->rules;
    struct ruleset *ruleset = NULL;
    struct error err = {""};
    if (file && !is_name(file)) {
        answer_error(request, 400, "file: the name of a rule's file, such as 10-alias.lua");
        return;
    }
    int code = copy_rules(rules.directory, directory, file && text ? file : NULL, text);
    if (code != 0) {
        answer_error(request, 503, "the rules cannot be copied: %s", strerror(-code));
        return;
    }
    rules.directory = directory;
    rules.unsafe = false; /* whoever may try a rule here need not be whoever may run programs */
    code = ruleset_load(&rules, 1, &ruleset, &err);
    if (code != 0)
        answer_error(request, 422, "%s", err.text);
    else
        try_message(request, ruleset, L);
    ruleset_unref(ruleset);
}

void api_playground(struct request *request)
{
    char directory[4200];
    struct lua_State *L = request_body(request);
    if (!L)
        return;
    snprintf(directory, sizeof directory, "%s/playground-XXXXXX", request->config->spool.directory);
    if (mkdtemp(directory)) {
        play(request, L, directory);
        remove_copy(directory);
    } else {
        answer_error(request, 503, "%s: %s", directory, strerror(errno));
    }
    lua_close(L);
}
