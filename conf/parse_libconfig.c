/* libconfig 1.5 to 1.8. What it can't stand was taken out of the text before
 * (conf/text.c); of an error it knows the line and little more. */
#include "conf/parse.h"

#include <libconfig.h>

#include "server/base/xalloc.h"

static void convert(struct node *node, const config_setting_t *setting,
                    const struct text *t);

static void convert_items(struct node *node, enum node_type type,
                          const config_setting_t *setting, const struct text *t)
{
    node_set_items(node, type, (size_t)config_setting_length(setting));
    for (size_t i = 0; i < node->items.n; i++)
        convert(&node->items.v[i], config_setting_get_elem(setting, (unsigned)i), t);
}

static void set_number(struct node *node, long long number)
{
    node->type = NODE_NUMBER;
    node->number = number;
}

static void convert(struct node *node, const config_setting_t *setting,
                    const struct text *t)
{
    const char *name = config_setting_name(setting);

    node->at = text_place(t, (unsigned)config_setting_source_line(setting));
    node->name = name ? xstrdup(name) : NULL;
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        convert_items(node, NODE_GROUP, setting, t);
        return;
    case CONFIG_TYPE_ARRAY:
    case CONFIG_TYPE_LIST:
        convert_items(node, NODE_LIST, setting, t);
        return;
    case CONFIG_TYPE_STRING:
        node_set_text(node, config_setting_get_string(setting));
        return;
    case CONFIG_TYPE_INT:
        set_number(node, config_setting_get_int(setting));
        return;
    case CONFIG_TYPE_INT64:
        set_number(node, config_setting_get_int64(setting));
        return;
    case CONFIG_TYPE_BOOL:
        node->type = NODE_BOOL;
        node->flag = config_setting_get_bool(setting) != 0;
        return;
    case CONFIG_TYPE_FLOAT:
        node->type = NODE_REAL;
        return;
    default:
        node->type = NODE_NULL;
        return;
    }
}

static void report_syntax(const struct text *t, const config_t *config, struct report *r)
{
    const char *why = config_error_text(config);
    int line = config_error_line(config);

    report_error(r, text_place(t, line > 0 ? (unsigned)line : 1), NULL,
                 "not libconfig's form: %s", why ? why : "syntax error");
}

enum err parse_libconfig(struct node *root, struct text *t, struct report *r)
{
    config_t config;
    enum err err = ERR_NONE;

    *root = (struct node){.type = NODE_NULL};
    config_init(&config);
    if (config_read_string(&config, buf_cstr(&t->bytes))) {
        convert(root, config_root_setting(&config), t);
    } else {
        report_syntax(t, &config, r);
        err = ERR_INVALID;
    }
    config_destroy(&config);
    return err;
}

enum err parse_text(struct node *root, struct text *t, struct report *r)
{
    return t->form == TEXT_JSON ? parse_json(root, t, r) : parse_libconfig(root, t, r);
}
