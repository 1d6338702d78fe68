#include "values.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_SIZE 20 /* of an array: dimensions, has NULLs, type, length, lower bound */

/* pg_type.dat */
static const unsigned types[] = {[PARAM_INT8] = 20,
                                 [PARAM_INT4] = 23,
                                 [PARAM_FLOAT8] = 701,
                                 [PARAM_TEXT] = 25,
                                 [PARAM_BYTES] = 17};
static const unsigned array_types[] = {[PARAM_INT8] = 1016,
                                       [PARAM_INT4] = 1007,
                                       [PARAM_FLOAT8] = 1022,
                                       [PARAM_TEXT] = 1009,
                                       [PARAM_BYTES] = 1001};

/* Room for `size` more bytes. NULL: no memory. */
static char *extend(struct values *params, struct param *param, size_t size)
{
    if (param->size + size > param->capacity) {
        size_t capacity = (param->size + size) * 2;
        char *bytes = realloc(param->bytes, capacity);
        if (!bytes) {
            params->failed = true;
            return NULL;
        }
        param->bytes = bytes;
        param->capacity = capacity;
    }
    param->size += size;
    return param->bytes + param->size - size;
}

static void put32(char *to, uint32_t value)
{
    value = htonl(value);
    memcpy(to, &value, sizeof value);
}

static struct param *new_param(struct values *params, enum param_kind kind, bool is_array)
{
    struct param *param = &params->list[params->count++];
    *param = (struct param){.kind = kind, .is_array = is_array};
    return param;
}

int values_array(struct values *params, enum param_kind kind)
{
    struct param *param = new_param(params, kind, true);
    char *head = extend(params, param, HEAD_SIZE);
    if (head) {
        put32(head, 1);
        put32(head + 4, 1);
        put32(head + 8, types[kind]);
        put32(head + 16, 1);
    }
    return params->count - 1;
}

void values_columns(struct values *params, const enum param_kind *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values_array(params, kinds[i]);
}

static void put_number(char *to, enum param_kind kind, int64_t number)
{
    uint64_t big = htobe64((uint64_t)number);
    if (kind == PARAM_INT8)
        memcpy(to, &big, sizeof big);
    else
        put32(to, (uint32_t)number);
}

void values_number(struct values *params, enum param_kind kind, int64_t number)
{
    struct param *param = new_param(params, kind, false);
    char *to = extend(params, param, kind == PARAM_INT8 ? 8 : 4);
    if (to)
        put_number(to, kind, number);
}

void values_text(struct values *params, const char *text)
{
    struct param *param = new_param(params, PARAM_TEXT, false);
    char *to = text ? extend(params, param, strlen(text) + 1) : NULL;
    if (to) {
        strcpy(to, text);
        param->size--;
    }
}

void values_bytes(struct values *params, const void *bytes, size_t size)
{
    struct param *param = new_param(params, PARAM_BYTES, false);
    char *to = bytes ? extend(params, param, size + 1) : NULL; /* no bytes are not NULL */
    if (to) {
        memcpy(to, bytes, size);
        param->size--;
    }
}

static char *add_item(struct values *params, int column, size_t size)
{
    struct param *param = &params->list[column];
    char *to = extend(params, param, 4 + size);
    if (!to)
        return NULL;
    param->count++;
    put32(to, (uint32_t)size);
    return to + 4;
}

void values_add_number(struct values *params, int column, int64_t number)
{
    enum param_kind kind = params->list[column].kind;
    char *to = add_item(params, column, kind == PARAM_INT8 ? 8 : 4);
    if (to)
        put_number(to, kind, number);
}

void values_add_real(struct values *params, int column, double real)
{
    int64_t bits;
    char *to = add_item(params, column, sizeof bits);
    memcpy(&bits, &real, sizeof bits);
    if (to)
        put_number(to, PARAM_INT8, bits);
}

void values_add_bytes(struct values *params, int column, const void *bytes, size_t size)
{
    char *to = add_item(params, column, size);
    if (to && size > 0)
        memcpy(to, bytes, size);
}

void values_add_text(struct values *params, int column, const char *text)
{
    if (text)
        values_add_bytes(params, column, text, strlen(text));
    else
        values_add_null(params, column);
}

void values_add_null(struct values *params, int column)
{
    char *to = add_item(params, column, 0);
    if (to)
        put32(to - 4, UINT32_MAX);
}

int64_t values_item(const struct values *params, int column, int item)
{
    uint64_t big;
    memcpy(&big, params->list[column].bytes + HEAD_SIZE + (size_t)item * (4 + sizeof big) + 4,
           sizeof big);
    return (int64_t)be64toh(big);
}

/* An empty array has no dimension. */
static void close_array(struct param *param)
{
    put32(param->bytes + 12, (uint32_t)param->count);
    if (param->count == 0) {
        put32(param->bytes, 0);
        param->size = 12;
    }
}

int values_send(struct values *params, struct pg *pg, const char *sql, bool binary_result)
{
    const char *values[VALUES_SIZE];
    int lengths[VALUES_SIZE];
    unsigned oids[VALUES_SIZE];
    bool failed = params->failed;
    for (int i = 0; i < params->count && !failed; i++) {
        struct param *param = &params->list[i];
        if (param->is_array)
            close_array(param);
        values[i] = param->bytes;
        lengths[i] = (int)param->size;
        oids[i] = param->is_array ? array_types[param->kind] : types[param->kind];
    }
    if (!failed)
        pg_add(pg, sql, params->count, values, lengths, oids, binary_result);
    values_free(params);
    return failed ? -ENOMEM : 0;
}

void values_free(struct values *params)
{
    for (int i = 0; i < params->count; i++)
        free(params->list[i].bytes);
    *params = (struct values){0};
}
