#include "password.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct verification {
    uv_work_t work;
    struct config *config;
    char *user, *password;
    bool right;
    void (*done)(void *context, bool right);
    void *context;
};

/* Any thread. */
static bool is_right(const struct smtp_config *config, const char *user, const char *password)
{
    const struct user *known = NULL;
    for (size_t i = 0; i < config->user_count; i++)
        if (strcmp(config->users[i].name, user) == 0)
            known = &config->users[i];
    if (config->user_count == 0)
        return false;
    const char *hash = known ? known->hash : config->users[0].hash; /* takes as long */
    struct crypt_data *data = calloc(1, sizeof *data);
    const char *result = data ? crypt_r(password, hash, data) : NULL;
    bool right =
        result && strlen(result) == strlen(hash) && CRYPTO_memcmp(result, hash, strlen(hash)) == 0;
    if (data)
        OPENSSL_cleanse(data, sizeof *data);
    free(data);
    return right && known;
}

static void verification_free(struct verification *v)
{
    if (v->password)
        OPENSSL_cleanse(v->password, strlen(v->password));
    free(v->password);
    free(v->user);
    config_unref(v->config);
    free(v);
}

static void verify(uv_work_t *work)
{
    struct verification *v = (struct verification *)work;
    v->right = is_right(&v->config->smtp, v->user, v->password);
}

static void verified(uv_work_t *work, int status)
{
    (void)status; /* it is never cancelled */
    struct verification *v = (struct verification *)work;
    v->done(v->context, v->right);
    verification_free(v);
}

int password_verify(uv_loop_t *loop, struct config *config, const char *user, const char *password,
                    void (*done)(void *context, bool right), void *context)
{
    struct verification *v = calloc(1, sizeof *v);
    if (!v)
        return -ENOMEM;
    v->config = config_ref(config);
    v->user = strdup(user);
    v->password = strdup(password);
    v->done = done;
    v->context = context;
    int code = v->user && v->password ? uv_queue_work(loop, &v->work, verify, verified) : -ENOMEM;
    if (code != 0)
        verification_free(v);
    return code;
}
