/* sources.c - the files of rules.d. */
#include "engine.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SOURCE_MAX_SIZE 67108864 /* bytes of one file */

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static int is_rule_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && ends_with(entry->d_name, ".lua") &&
           !ends_with(entry->d_name, "_test.lua");
}

/* By bytes, in any locale: alphasort() asks the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_file(const char *path, struct source_file *source, struct error *err)
{
    FILE *file = fopen(path, "rbe");
    struct stat status;
    if (!file || fstat(fileno(file), &status) != 0)
        goto fail;
    if (!S_ISREG(status.st_mode)) {
        fclose(file);
        return error_set(err, -EINVAL, "%s: not a regular file", path);
    }
    if (status.st_size > SOURCE_MAX_SIZE) {
        fclose(file);
        return error_set(err, -EFBIG, "%s: over %d bytes", path, SOURCE_MAX_SIZE);
    }
    source->text = malloc((size_t)status.st_size + 1);
    if (!source->text) {
        errno = ENOMEM;
        goto fail;
    }
    source->size = fread(source->text, 1, (size_t)status.st_size, file);
    if (ferror(file)) {
        errno = EIO;
        goto fail;
    }
    fclose(file);
    return 0;
fail:;
    int code = errno;
    if (file)
        fclose(file);
    return error_set(err, -code, "%s: %s", path, strerror(code));
}

static int add_source(struct ruleset *ruleset, const char *prefix, const char *name,
                      struct error *err)
{
    char path[4096];
    struct source_file *grown =
        realloc(ruleset->sources, (ruleset->source_count + 1) * sizeof *grown);
    if (!grown)
        return error_set(err, -ENOMEM, "not enough memory");
    ruleset->sources = grown;
    struct source_file *source = &grown[ruleset->source_count];
    memset(source, 0, sizeof *source);
    if (asprintf(&source->name, "%s%s", prefix, name) < 0) {
        source->name = NULL;
        return error_set(err, -ENOMEM, "not enough memory");
    }
    ruleset->source_count++;
    snprintf(path, sizeof path, "%s/%s", ruleset->config.directory, source->name);
    return read_file(path, source, err);
}

static int read_directory(struct ruleset *ruleset, const char *prefix, struct error *err)
{
    char path[4096];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/%s", ruleset->config.directory, prefix);
    int count = scandir(path, &entries, is_rule_file, by_name);
    if (count < 0) {
        if (errno == ENOENT && *prefix)
            return 0; /* lib/ need not be */
        return error_set(err, -errno, "%s: %s", ruleset->config.directory, strerror(errno));
    }
    int code = 0;
    for (int i = 0; i < count; i++) {
        if (code == 0)
            code = add_source(ruleset, prefix, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return code;
}

int sources_read(struct ruleset *ruleset, struct error *err)
{
    int code = read_directory(ruleset, "", err);
    return code != 0 ? code : read_directory(ruleset, "lib/", err);
}

void sources_free(struct ruleset *ruleset)
{
    for (size_t i = 0; i < ruleset->source_count; i++) {
        free(ruleset->sources[i].name);
        free(ruleset->sources[i].text);
    }
    free(ruleset->sources);
}
