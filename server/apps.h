/* The apps that this node serves: configuration and the one thing that lives, the number
 * of an app's connections (a named atomic). Made before the threads start; the table
 * itself never changes. Any thread. */
#ifndef MUSTER_SERVER_APPS_H
#define MUSTER_SERVER_APPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/base/slice.h"

struct app {
    const struct conf_app *conf;
    struct slice id, key, secret; /* borrowed from conf */
    unsigned index;               /* in the table */
    _Atomic unsigned connections;
    /* Rate limits: the time (µs, monotonic) up to which the allowance is spent. */
    _Atomic uint64_t events_spent, reads_spent;
};

struct apps {
    struct app *apps;
    size_t n;
};

/** conf must outlive the table. */
void apps_init(struct apps *a, const struct conf *conf);
void apps_fini(struct apps *a);
/** NULL if no app has this key. */
struct app *apps_find(const struct apps *a, struct slice key);
/** NULL if no app has this id. */
struct app *apps_find_id(const struct apps *a, struct slice id);
/** Takes n off an allowance of rate a second (0: no limit), of which a second's worth may
 * be taken at once. 0; or there is not so much left, and nothing is taken: the µs until
 * there is. now: µs, monotonic. */
uint64_t app_allowance(_Atomic uint64_t *spent, unsigned rate, unsigned n, uint64_t now);
/** True if a browser page of this Origin may connect: no allowed_origins, or one matches;
 * a client that sends no Origin isn't a browser and is let in. A pattern is a host, or
 * scheme://host[:port]; `*` stands for any run of characters. */
bool app_allows_origin(const struct app *app, struct slice origin);

#endif
