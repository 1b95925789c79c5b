/* A configuration file from memory. The first byte picks the form: an even one JSON, an
 * odd one libconfig. What is accepted keeps the schema's ranges, has no NULL string, and
 * loads the same a second time; what is refused says why, in lines without control bytes.
 */
#include <assert.h>
#include <stdint.h>

#include "conf/conf.h"
#include "conf/load.h"
#include "conf/schema.h"
#include "conf/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_field(const struct conf_key *key, void *base)
{
    void *field = value_field(key, base);

    if (key->type == CONF_UNSIGNED) {
        assert(*(unsigned *)field >= key->min && *(unsigned *)field <= key->max);
    } else if (key->type == CONF_STRING) {
        const char *text = *(char **)field;

        assert(text && strlen(text) <= key->max);
        assert(!*text || !key->check || !key->check(text));
    } else if (key->type == CONF_FLAGS) {
        assert(*(unsigned *)field);
    }
}

static void check_app_field(const struct conf_key *key, struct conf_app *app)
{
    if (conf_key_is_of_app(key))
        check_field(key, app);
    if (conf_key_is_of(key, "apps[].webhooks[]"))
        for (size_t i = 0; i < app->n_webhooks; i++)
            check_field(key, &app->webhooks[i]);
}

static void check_conf(struct conf *conf)
{
    for (const struct conf_key *key = conf_keys; key->path; key++) {
        if (conf_key_is_of(key, ""))
            check_field(key, conf);
        for (size_t i = 0; i < conf->n_apps; i++)
            check_app_field(key, &conf->apps[i]);
    }
    assert(conf->n_apps || conf->missing);
}

static void check_lines(const struct buf *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        unsigned char c = (unsigned char)problems->p[i];

        assert(c == '\n' || (c >= 0x20 && c != 0x7f));
    }
    assert(!problems->n || problems->p[problems->n - 1] == '\n');
}

static enum err load(struct slice bytes, enum text_form form, struct buf *problems)
{
    static char *environment[] = {NULL};
    struct conf *conf;
    enum err err = conf_load_memory(&conf, bytes, form, "f", environment, problems);

    check_lines(problems);
    assert((err == ERR_NONE) == (conf != NULL));
    if (conf)
        check_conf(conf);
    else
        assert(problems->n);
    conf_free(conf);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once = BUF_INIT, again = BUF_INIT;
    enum text_form form;
    struct slice bytes;

    if (!size)
        return 0;
    form = data[0] % 2 ? TEXT_LIBCONFIG : TEXT_JSON;
    bytes = (struct slice){(const char *)data + 1, size - 1};
    assert(load(bytes, form, &once) == load(bytes, form, &again));
    assert(slice_eq(buf_slice(&once), buf_slice(&again)));
    buf_fini(&once);
    buf_fini(&again);
    return 0;
}
