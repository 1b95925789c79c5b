/* "Did you mean …": the known name with the smallest edit distance. Dynamic programming
 * over one row; names are short, and longer ones count as far from everything. */
#include "conf/schema.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

/* Levenshtein's distance of two short strings. */
static unsigned distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned row[NAME_MAX_BYTES + 1];

    if (n > NAME_MAX_BYTES || m > NAME_MAX_BYTES)
        return NAME_MAX_BYTES;
    for (unsigned j = 0; j <= m; j++)
        row[j] = j;
    for (unsigned i = 1; i <= n; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= m; j++) {
            unsigned above = row[j];

            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[m];
}

static const char *leaf_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

/* How far a candidate is: its last name counts double, so that the same name in another
 * group comes behind the same name here and before another name. */
static unsigned path_distance(const char *path, const char *candidate)
{
    const char *leaf = leaf_of(path), *other = leaf_of(candidate);
    bool same_group = leaf - path == other - candidate &&
                      strncmp(path, candidate, (size_t)(leaf - path)) == 0;

    return 2 * distance(leaf, other) + !same_group;
}

/* A list of groups is called by its name alone. */
static void drop_brackets(char *path)
{
    size_t n = strlen(path);

    if (n > 2 && strcmp(path + n - 2, "[]") == 0)
        path[n - 2] = '\0';
}

/* Tries the key itself and each group it is in: "a.b.c" gives "a", "a.b" and "a.b.c". */
static void try_path(const char *path, const char *known, unsigned *best,
                     char nearest[CONF_PATH_MAX])
{
    for (const char *end = known; *end;) {
        char candidate[CONF_PATH_MAX];
        unsigned d;

        end += strcspn(end + 1, ".") + 1;
        snprintf(candidate, sizeof candidate, "%.*s", (int)(end - known), known);
        drop_brackets(candidate);
        d = path_distance(path, candidate);
        if (d < *best) {
            *best = d;
            strcpy(nearest, candidate);
        }
    }
}

void conf_nearest_path(const char *path, char nearest[CONF_PATH_MAX])
{
    unsigned best = UINT_MAX;

    for (const struct conf_key *key = conf_keys; key->path; key++)
        try_path(path, key->path, &best, nearest);
}

const char *conf_nearest_choice(const char *const *choices, const char *text)
{
    const char *nearest = choices[0];
    unsigned best = UINT_MAX;

    for (; *choices; choices++) {
        unsigned d = distance(text, *choices);

        if (d < best) {
            best = d;
            nearest = *choices;
        }
    }
    return nearest;
}

void conf_nearest_env(const char *name, char nearest[CONF_ENV_NAME_MAX])
{
    unsigned best = UINT_MAX;

    for (const struct conf_key *key = conf_keys; key->path; key++) {
        char own[CONF_ENV_NAME_MAX];
        unsigned d;

        conf_key_env_name(key, own);
        d = distance(name, own);
        if (*own && d < best) {
            best = d;
            strcpy(nearest, own);
        }
    }
}
