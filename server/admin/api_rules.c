/* The rules as they stand in their folder. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/metrics.h"
#include "request.h"
#include "rule_files.h"

#define FILE_MAX (1u << 20) /* bytes of a rule that is shown */

static int is_rule(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 4 && strcmp(entry->d_name + size - 4, ".lua") == 0;
}

int rule_files_list(const char *directory, struct dirent ***entries)
{
    return scandir(directory, entries, is_rule, alphasort);
}

void rule_files_free(struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

char *rule_file_read(const char *directory, const char *name, size_t *size)
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

int64_t rule_errors(const char *file)
{
    static const char *const kinds[] = {"error", "time", "memory"};
    double errors = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        errors += metric_value(METRIC_RULE_ERRORS_TOTAL, file, kinds[i]);
    return (int64_t)errors;
}

static void write_file(struct json *json, const char *directory, const char *name)
{
    size_t size;
    char *text = rule_file_read(directory, name, &size);
    json_begin_object(json);
    json_pair(json, "name", name);
    json_pair_number(json, "answered",
                     (int64_t)metric_value(METRIC_RULE_ANSWERS_TOTAL, name, NULL));
    json_pair_number(json, "errors", rule_errors(name));
    json_pair_number(json, "us",
                     (int64_t)(1e6 * metric_value(METRIC_RULE_SECONDS_TOTAL, name, NULL)));
    json_key(json, "text");
    json_string(json, text ? text : "", size);
    json_end_object(json);
    free(text);
}

void api_rules(struct request *request)
{
    const char *directory = request->config->rules.directory;
    struct dirent **entries;
    int count = rule_files_list(directory, &entries);
    if (count < 0) {
        response_error(request, 503, "%s: %s", directory, strerror(errno));
        return;
    }
    struct json *json = response_json(request);
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
    rule_files_free(entries, count);
}
