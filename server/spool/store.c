#include "store.h"

const struct store_ops *store_ops_of(const struct spool_config *config)
{
    return config->postgres ? &postgres_ops : &sqlite_ops;
}
