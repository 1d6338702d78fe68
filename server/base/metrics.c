#include "metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MAX 16
#define VALUE_MAX   200 /* bytes of a label's value */
#define OTHER       "other"

/* Of a table of series: more than the most of its row, and a power of two. Static, so that nothing is allocated where
 * it happens; pages that are not used take no memory. */
#define SLOTS_OF(most)                                                                             \
    ((most) <= 8 ? 16 : (most) <= 32 ? 64 : (most) <= 128 ? 256 : (most) <= 1024 ? 2048 : 16384)

struct series {
    char *values[2]; /* of the labels; NULL where there is none */
    _Atomic bool set;
    _Atomic int64_t count; /* a counter's value, or a histogram's number of values */
    _Atomic double value;  /* a gauge's, or a histogram's sum */
    _Atomic int64_t buckets[BUCKETS_MAX];
};

struct row {
    const char *name;
    enum metric_type type;
    const char *labels[2];
    unsigned most;
    enum metric_buckets buckets;
    const char *help;
};

#define METRIC_ROW(id, type, name, label, label2, most, buckets, help)                             \
    {"mxhook_" name, METRIC_##type, {label, label2}, most, BUCKETS_##buckets, help},
static const struct row rows[METRIC_COUNT] = {METRICS(METRIC_ROW)};
#undef METRIC_ROW

/* Open addressing; a slot is filled once, and stays. */
struct family {
    struct series *_Atomic *slots;
    unsigned slot_count;
    _Atomic unsigned used;
};

#define METRIC_SLOTS(id, type, name, label, label2, most, buckets, help)                           \
    static struct series *_Atomic slots_##id[SLOTS_OF(most)];
METRICS(METRIC_SLOTS)
#undef METRIC_SLOTS

#define METRIC_FAMILY(id, type, name, label, label2, most, buckets, help)                          \
    {slots_##id, SLOTS_OF(most), 0},
static struct family families[METRIC_COUNT] = {METRICS(METRIC_FAMILY)};
#undef METRIC_FAMILY

/* The origins that have series of their own, whatever the metric. */
static struct series *_Atomic slots_of_origins[SLOTS_OF(METRIC_ORIGINS_MAX)];
static struct family origins = {slots_of_origins, SLOTS_OF(METRIC_ORIGINS_MAX), 0};
static const struct row origins_row = {.labels = {"origin"}};
static _Atomic unsigned origins_most = METRIC_ORIGINS_DEFAULT;

static const double bounds[][BUCKETS_MAX] = {
    [BUCKETS_NONE] = {0},
    [BUCKETS_BYTES] = {4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864},
    [BUCKETS_ACCEPT] = {.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
    [BUCKETS_ATTEMPT] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
    [BUCKETS_LATENCY] = {.01, .05, .1, .5, 1, 5, 30, 60, 300, 1800, 3600, 21600, 86400, 432000},
};

/* ---- Series ---- */

static bool same_values(const struct series *series, const char *const values[2])
{
    for (int i = 0; i < 2; i++) {
        const char *mine = series->values[i] ? series->values[i] : "";
        if (strncmp(mine, values[i] ? values[i] : "", VALUE_MAX) != 0)
            return false;
    }
    return true;
}

static size_t hash(const char *const values[2])
{
    uint64_t sum = 0xcbf29ce484222325; /* FNV-1a: the series are few, whoever names them */
    for (int i = 0; i < 2; i++)
        for (size_t n = 0; values[i] && values[i][n] && n < VALUE_MAX; n++)
            sum = (sum ^ (unsigned char)values[i][n]) * 0x100000001b3;
    return (size_t)(sum ^ sum >> 32);
}

static void series_free(struct series *series)
{
    if (!series)
        return;
    free(series->values[0]);
    free(series->values[1]);
    free(series);
}

static struct series *series_new(const struct row *row, const char *const values[2])
{
    struct series *series = calloc(1, sizeof *series);
    for (int i = 0; series && i < 2; i++) {
        if (!row->labels[i])
            continue;
        series->values[i] = strndup(values[i] ? values[i] : "", VALUE_MAX);
        if (!series->values[i]) {
            series_free(series);
            return NULL;
        }
    }
    return series;
}

/* The last place is for "other". */
static bool has_room(const struct row *row, const struct family *family)
{
    return !row->labels[0] || atomic_load(&family->used) + 1 < row->most;
}

/* NULL: there is none; `make`: nor room or memory for one. */
static struct series *find(const struct row *row, struct family *family,
                           const char *const values[2], bool make)
{
    size_t at = hash(values) % family->slot_count;
    struct series *made = NULL;
    for (unsigned i = 0; i < family->slot_count; i++, at = (at + 1) % family->slot_count) {
        struct series *here = atomic_load_explicit(&family->slots[at], memory_order_acquire);
        if (!here) {
            if (!make || (!made && !(made = series_new(row, values))))
                return NULL;
            if (atomic_compare_exchange_strong(&family->slots[at], &here, made)) {
                atomic_fetch_add(&family->used, 1);
                return made;
            }
        }
        if (same_values(here, values)) {
            series_free(made);
            return here;
        }
    }
    series_free(made);
    return NULL;
}

static bool is_by_origin(const struct row *row)
{
    return row->labels[0] && strcmp(row->labels[0], "origin") == 0;
}

/* Two threads may each take the last place: one more origin than the limit, and no harm. */
static bool admits_origin(const char *name)
{
    const char *const values[2] = {name, NULL};
    if (find(&origins_row, &origins, values, false))
        return true;
    return atomic_load(&origins.used) < atomic_load(&origins_most) &&
           find(&origins_row, &origins, values, true);
}

/* One that was not there. */
static struct series *new_series(const struct row *row, struct family *family,
                                 const char *const values[2])
{
    bool by_origin = is_by_origin(row);
    if (has_room(row, family) && (!by_origin || admits_origin(values[0])))
        return find(row, family, values, true);
    const char *second = !row->labels[1] ? NULL : by_origin ? values[1] : OTHER;
    const char *const other[2] = {OTHER, second};
    return find(row, family, other, true);
}

static struct series *series_of(enum metric metric, const char *const values[2])
{
    static const char *const none[2] = {0};
    const struct row *row = &rows[metric];
    const char *const *wanted = row->labels[0] ? values : none;
    struct series *series = find(row, &families[metric], wanted, false);
    return series ? series : new_series(row, &families[metric], wanted);
}

/* ---- Values ---- */

static void add_double(_Atomic double *to, double n)
{
    double before = atomic_load_explicit(to, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(to, &before, before + n))
        ;
}

void metric_add_labelled(enum metric metric, int64_t n, const char *const values[2])
{
    struct series *series = series_of(metric, values);
    if (!series)
        return;
    if (rows[metric].type == METRIC_COUNTER || rows[metric].type == METRIC_TIME)
        atomic_fetch_add_explicit(&series->count, n, memory_order_relaxed);
    else
        add_double(&series->value, (double)n);
    atomic_store_explicit(&series->set, true, memory_order_relaxed);
}

void metric_set_labelled(enum metric metric, double value, const char *const values[2])
{
    struct series *series = series_of(metric, values);
    if (!series)
        return;
    atomic_store_explicit(&series->value, value, memory_order_relaxed);
    atomic_store_explicit(&series->set, true, memory_order_relaxed);
}

void metric_raise_labelled(enum metric metric, double value, const char *const values[2])
{
    struct series *series = series_of(metric, values);
    if (!series)
        return;
    double before = atomic_load_explicit(&series->value, memory_order_relaxed);
    while (before < value && !atomic_compare_exchange_weak(&series->value, &before, value))
        ;
    atomic_store_explicit(&series->set, true, memory_order_relaxed);
}

void metric_observe_labelled(enum metric metric, double value, const char *const values[2])
{
    struct series *series = series_of(metric, values);
    if (!series)
        return;
    const double *bound = bounds[rows[metric].buckets];
    int i = 0;
    while (i < BUCKETS_MAX && bound[i] > 0 && value > bound[i])
        i++;
    if (i < BUCKETS_MAX && bound[i] > 0)
        atomic_fetch_add_explicit(&series->buckets[i], 1, memory_order_relaxed);
    add_double(&series->value, value);
    atomic_fetch_add_explicit(&series->count, 1, memory_order_relaxed);
    atomic_store_explicit(&series->set, true, memory_order_relaxed);
}

static double value_of(enum metric metric, const struct series *series)
{
    switch (rows[metric].type) {
    case METRIC_COUNTER: return (double)atomic_load(&series->count);
    case METRIC_TIME: return (double)atomic_load(&series->count) / 1e6;
    default: return atomic_load(&series->value);
    }
}

double metric_value(enum metric metric, const char *value, const char *value2)
{
    const char *const values[2] = {value, value2};
    const struct series *series = find(&rows[metric], &families[metric], values, false);
    return series ? value_of(metric, series) : 0;
}

double metric_sum(enum metric metric)
{
    double sum = 0;
    for (unsigned i = 0; i < families[metric].slot_count; i++) {
        const struct series *series = atomic_load(&families[metric].slots[i]);
        if (series)
            sum += value_of(metric, series);
    }
    return sum;
}

int64_t metric_observations(enum metric metric)
{
    int64_t count = 0;
    for (unsigned i = 0; i < families[metric].slot_count; i++) {
        const struct series *series = atomic_load(&families[metric].slots[i]);
        if (series)
            count += atomic_load(&series->count);
    }
    return count;
}

void metric_each(enum metric metric, void (*each)(void *context, const char *value, double number),
                 void *context)
{
    for (unsigned i = 0; i < families[metric].slot_count; i++) {
        const struct series *series = atomic_load(&families[metric].slots[i]);
        if (series && atomic_load(&series->set))
            each(context, series->values[0], value_of(metric, series));
    }
}

void metrics_limit_origins(unsigned most)
{
    atomic_store(&origins_most, most);
}

void metric_clear(enum metric metric)
{
    for (unsigned i = 0; i < families[metric].slot_count; i++) {
        struct series *series = atomic_load(&families[metric].slots[i]);
        if (!series)
            continue;
        atomic_store(&series->set, false);
        atomic_store(&series->value, 0);
    }
}

/* ---- Text ---- */

static void write_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            fputc('\\', out);
        if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
    }
}

/* le: a bucket's bound, "" for none. */
static void write_labels(FILE *out, const struct row *row, const struct series *series,
                         const char *le)
{
    const char *before = "{";
    for (int i = 0; i < 2 && row->labels[i]; i++, before = ",") {
        fprintf(out, "%s%s=\"", before, row->labels[i]);
        write_escaped(out, series->values[i]);
        fputc('"', out);
    }
    if (*le)
        fprintf(out, "%sle=\"%s\"", before, le);
    if (*le || row->labels[0])
        fputc('}', out);
}

static void write_histogram(FILE *out, const struct row *row, const struct series *series)
{
    const double *bound = bounds[row->buckets];
    int64_t total = atomic_load(&series->count), below = 0;
    for (int i = 0; i < BUCKETS_MAX && bound[i] > 0; i++) {
        char le[32];
        snprintf(le, sizeof le, "%.10g", bound[i]);
        below += atomic_load(&series->buckets[i]);
        fprintf(out, "%s_bucket", row->name);
        write_labels(out, row, series, le);
        fprintf(out, " %lld\n", (long long)below);
    }
    /* One that is observed meanwhile may be in a bucket and not yet in the count. */
    if (total < below)
        total = below;
    fprintf(out, "%s_bucket", row->name);
    write_labels(out, row, series, "+Inf");
    fprintf(out, " %lld\n%s_sum", (long long)total, row->name);
    write_labels(out, row, series, "");
    fprintf(out, " %.10g\n%s_count", atomic_load(&series->value), row->name);
    write_labels(out, row, series, "");
    fprintf(out, " %lld\n", (long long)total);
}

static void write_series(FILE *out, enum metric metric, const struct series *series)
{
    const struct row *row = &rows[metric];
    if (row->type == METRIC_HISTOGRAM) {
        write_histogram(out, row, series);
        return;
    }
    fputs(row->name, out);
    write_labels(out, row, series, "");
    fprintf(out, " %.15g\n", value_of(metric, series));
}

static void write_family(FILE *out, enum metric metric)
{
    static const char *const types[] = {"counter", "counter", "gauge", "histogram"};
    const struct row *row = &rows[metric];
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, types[row->type]);
    for (unsigned i = 0; i < families[metric].slot_count; i++) {
        const struct series *series = atomic_load(&families[metric].slots[i]);
        if (series && atomic_load(&series->set))
            write_series(out, metric, series);
    }
}

char *metrics_text(size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    for (int i = 0; i < METRIC_COUNT; i++) {
        /* One without labels is there from the start, so that its rate has a beginning. */
        if (!rows[i].labels[0] && rows[i].type != METRIC_GAUGE)
            metric_add_labelled((enum metric)i, 0, (const char *const[2]){NULL, NULL});
        write_family(out, (enum metric)i);
    }
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
