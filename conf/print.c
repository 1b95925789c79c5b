/* The schema as people read it. */
#include "conf/conf.h"

#include <string.h>

#include "conf/schema.h"

/* What may stand behind the key: "true or false", "0 to 65535", "debug, info, …". */
static void print_values(FILE *to, const struct conf_key *key)
{
    switch (key->type) {
    case CONF_BOOL:
        fputs("true or false", to);
        return;
    case CONF_UNSIGNED:
        fprintf(to, "%u to %u", key->min, key->max);
        if (key->unit)
            fprintf(to, " %s", key->unit);
        return;
    case CONF_STRING:
        fprintf(to, "string, %u to %u bytes", key->min, key->max);
        return;
    case CONF_LIST:
        fprintf(to, "list of strings");
        return;
    case CONF_ENUM:
        for (size_t i = 0; key->choices[i]; i++)
            fprintf(to, "%s%s", i ? ", " : "", key->choices[i]);
        return;
    }
}

/* The default as a file has it; nothing for a key that has none of its own. */
static void print_default(FILE *to, const struct conf_key *key)
{
    bool is_text = key->type == CONF_STRING || key->type == CONF_ENUM;

    if (!key->initial)
        return;
    if (key->type == CONF_LIST)
        fprintf(to, "[%s]", key->initial);
    else
        fprintf(to, "%s%s%s", is_text ? "\"" : "", key->initial, is_text ? "\"" : "");
}

static void print_key(FILE *to, const struct conf_key *key)
{
    char variable[CONF_ENV_NAME_MAX];

    conf_key_env_name(key, variable);
    fprintf(to, "  %s", key->path);
    if (key->initial) {
        fputs(" = ", to);
        print_default(to, key);
    }
    fputs("   (", to);
    print_values(to, key);
    fprintf(to, "; %s)\n      %s\n", variable, key->help);
}

void conf_print_keys(FILE *to)
{
    for (const struct conf_key *key = conf_keys; key->path; key++)
        print_key(to, key);
}

static void print_row(FILE *to, const struct conf_key *key)
{
    char variable[CONF_ENV_NAME_MAX];

    conf_key_env_name(key, variable);
    fprintf(to, "| `%s` | ", key->path);
    if (key->initial) {
        putc('`', to);
        print_default(to, key);
        putc('`', to);
    }
    fputs(" | ", to);
    print_values(to, key);
    fprintf(to, " | %s | `%s` |\n", key->help, variable);
}

void conf_print_markdown(FILE *to)
{
    fputs("| Key | Default | Values | What it is | Variable |\n|---|---|---|---|---|\n",
          to);
    for (const struct conf_key *key = conf_keys; key->path; key++)
        print_row(to, key);
}
