/* The schema as people read it. */
#include "conf/conf.h"

#include <string.h>

#include "conf/schema.h"

static void print_choices(FILE *to, const char *const *choices)
{
    for (size_t i = 0; choices[i]; i++)
        fprintf(to, "%s%s", i ? ", " : "", choices[i]);
}

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
    case CONF_PAIRS:
        fputs("list of strings", to);
        return;
    case CONF_GROUPS:
        fputs("list of groups", to);
        return;
    case CONF_FLAGS:
        fputs("list of ", to);
        print_choices(to, key->choices);
        return;
    case CONF_ENUM:
        print_choices(to, key->choices);
        return;
    }
}

/* The default as a file has it; nothing for a key that has none of its own. */
static void print_default(FILE *to, const struct conf_key *key)
{
    bool is_text = key->type == CONF_STRING || key->type == CONF_ENUM;
    bool is_list = key->type == CONF_LIST || key->type == CONF_PAIRS ||
                   key->type == CONF_FLAGS || key->type == CONF_GROUPS;

    if (!key->initial)
        return;
    if (is_list)
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
    fprintf(to, "%s%s)\n      %s\n", *variable ? "; " : "", variable, key->help);
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
    fprintf(to, *variable ? " | %s | `%s` |\n" : " | %s | %s |\n", key->help, variable);
}

void conf_print_markdown(FILE *to)
{
    fputs("| Key | Default | Values | What it is | Variable |\n|---|---|---|---|---|\n",
          to);
    for (const struct conf_key *key = conf_keys; key->path; key++)
        print_row(to, key);
}
