#include "alias_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/map.h"
#include "alias_line.h"

struct alias_table {
    struct alias_table *next;
    char *path;
    char *text;      /* the file; key and value of a line end with NUL */
    uint32_t *slots; /* offset of a key and one; 0: empty. Linear probing. */
    size_t mask;     /* slots, a power of two, less one */
    size_t count;    /* of all lines */
    struct pattern *patterns;
    size_t pattern_count;
};

/* A line whose key is a wildcard or a regular expression. */
struct pattern {
    uint32_t key; /* its offset; the value stands behind it */
    size_t line;
};

/* What reading found wrong. */
struct faults {
    const char *path;
    const struct rules_config *config;
    struct error *err;
    size_t count, used;
};

/* Who signs up somewhere may choose an address of the file, and everybody those that are looked up. */
static uint64_t hash(const char *key, size_t size)
{
    return map_hash((struct map_key){key, size});
}

const char *alias_table_find(const struct alias_table *table, const char *address, size_t size)
{
    for (size_t slot = hash(address, size) & table->mask; table->slots[slot];
         slot = (slot + 1) & table->mask) {
        const char *key = table->text + table->slots[slot] - 1;
        if (strncmp(key, address, size) == 0 && key[size] == '\0')
            return key + size + 1;
    }
    return NULL;
}

void alias_table_each(const struct alias_table *table,
                      bool (*each)(void *context, const char *address), void *context)
{
    for (size_t slot = 0; slot <= table->mask; slot++)
        if (table->slots[slot] && !each(context, table->text + table->slots[slot] - 1))
            return;
}

size_t alias_table_count(const struct alias_table *table)
{
    return table->count;
}

const char *alias_table_pattern(const struct alias_table *table, size_t index, const char **value,
                                size_t *line)
{
    if (index >= table->pattern_count)
        return NULL;
    const char *key = table->text + table->patterns[index].key;
    *value = key + strlen(key) + 1;
    *line = table->patterns[index].line;
    return key;
}

static void add_fault(struct faults *faults, size_t line, const char *what)
{
    faults->count++;
    if (!faults->err || faults->count > ALIAS_TABLE_ERRORS)
        return;
    size_t room = sizeof faults->err->text - faults->used;
    int size = snprintf(faults->err->text + faults->used, room, "%s%s:%zu: %s",
                        faults->used ? "\n" : "", faults->path, line, what);
    if (size > 0)
        faults->used += (size_t)size < room ? (size_t)size : room - 1;
}

static void insert(struct alias_table *table, const char *key, struct faults *faults, size_t line)
{
    size_t size = strlen(key);
    size_t slot = hash(key, size) & table->mask;
    for (; table->slots[slot]; slot = (slot + 1) & table->mask)
        if (strcmp(table->text + table->slots[slot] - 1, key) == 0) {
            add_fault(faults, line, "this address stands in the file twice");
            return;
        }
    table->slots[slot] = (uint32_t)(key - table->text) + 1;
    table->count++;
}

static void add_pattern(struct alias_table *table, const char *key, struct faults *faults,
                        size_t line)
{
    size_t count = table->pattern_count;
    if (count == ALIAS_TABLE_MAX_PATTERNS) {
        add_fault(faults, line, "more than 10000 wildcards and regular expressions");
        return;
    }
    if ((count & (count - 1)) == 0) {
        struct pattern *grown = realloc(table->patterns, (count ? count * 2 : 1) * sizeof *grown);
        if (!grown) {
            add_fault(faults, line, "not enough memory");
            return;
        }
        table->patterns = grown;
    }
    table->patterns[table->pattern_count++] = (struct pattern){(uint32_t)(key - table->text), line};
    table->count++;
}

static void read_line(struct alias_table *table, char *text, struct faults *faults, size_t number)
{
    struct alias_line line;
    const char *wrong = alias_line_read(text, faults->config, &line);
    if (wrong)
        add_fault(faults, number, wrong);
    else if (line.key && line.is_pattern)
        add_pattern(table, line.key, faults, number);
    else if (line.key)
        insert(table, line.key, faults, number);
}

static void read_lines(struct alias_table *table, size_t size, struct faults *faults)
{
    static const char bom[] = "\xEF\xBB\xBF"; /* as spreadsheets write it */
    char *text = table->text, *end = text + size;
    if (size >= sizeof bom - 1 && memcmp(text, bom, sizeof bom - 1) == 0)
        text += sizeof bom - 1;
    for (size_t line = 1; text < end; line++) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *stop = newline ? newline : end;
        if (memchr(text, '\0', (size_t)(stop - text)))
            add_fault(faults, line, "a NUL byte");
        *stop = '\0';
        if (stop > text && stop[-1] == '\r')
            stop[-1] = '\0';
        read_line(table, text, faults, line);
        text = stop + 1;
    }
}

static int read_text(const char *path, char **text, size_t *size, size_t *lines)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int code = fstat(fd, &status) != 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    if (code == 0 && (uint64_t)status.st_size >= ALIAS_TABLE_MAX_SIZE)
        code = -EFBIG;
    *text = code == 0 ? malloc((size_t)status.st_size + 1) : NULL;
    if (code == 0 && !*text)
        code = -ENOMEM;
    for (*size = 0; code == 0 && *size < (size_t)status.st_size;) {
        ssize_t n = read(fd, *text + *size, (size_t)status.st_size - *size);
        if (n < 0)
            code = -errno;
        else if (n == 0)
            break; /* cut while we read it */
        else
            *size += (size_t)n;
    }
    close(fd);
    *lines = 1;
    for (const char *p = *text; code == 0 && (p = memchr(p, '\n', *size - (size_t)(p - *text)));)
        p++, ++*lines;
    return code;
}

static void table_free(struct alias_table *table)
{
    if (!table)
        return;
    free(table->path);
    free(table->text);
    free(table->slots);
    free(table->patterns);
    free(table);
}

static int read_table(const char *path, const struct rules_config *config, struct alias_table **out,
                      struct error *err)
{
    struct faults faults = {path, config, err, 0, 0};
    size_t size = 0, lines = 0, slots = 16;
    struct alias_table *table = calloc(1, sizeof *table);
    if (!table)
        return error_set(err, -ENOMEM, "not enough memory");
    int code = read_text(path, &table->text, &size, &lines);
    while (slots < lines + lines / 2)
        slots *= 2;
    table->path = strdup(path);
    table->slots = calloc(slots, sizeof *table->slots);
    table->mask = slots - 1;
    if (code == 0 && (!table->path || !table->slots))
        code = -ENOMEM;
    if (code != 0) {
        table_free(table);
        return error_set(err, code, "%s: %s", path, strerror(-code));
    }
    read_lines(table, size, &faults);
    if (faults.count > 0) {
        if (faults.count > ALIAS_TABLE_ERRORS && err)
            snprintf(err->text + faults.used, sizeof err->text - faults.used,
                     "\n%s: %zu lines in all", path, faults.count);
        table_free(table);
        return -EINVAL;
    }
    *out = table;
    return 0;
}

int alias_tables_init(struct alias_tables *tables)
{
    tables->first = NULL;
    return uv_mutex_init(&tables->mutex);
}

void alias_tables_destroy(struct alias_tables *tables)
{
    while (tables->first) {
        struct alias_table *table = tables->first;
        tables->first = table->next;
        table_free(table);
    }
    uv_mutex_destroy(&tables->mutex);
}

int alias_tables_get(struct alias_tables *tables, const char *path, struct alias_table **out,
                     struct error *err)
{
    int code = 0;
    uv_mutex_lock(&tables->mutex);
    for (*out = tables->first; *out && strcmp((*out)->path, path) != 0; *out = (*out)->next)
        ;
    if (!*out) {
        code = read_table(path, tables->config, out, err);
        if (code == 0) {
            (*out)->next = tables->first;
            tables->first = *out;
        }
    }
    uv_mutex_unlock(&tables->mutex);
    return code;
}
