/* The README's table of keys is the schema's. Run from the project's folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "conf/conf.h"

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void the_readmes_table_is_what_the_schema_prints(void **state)
{
    char *readme = read_all("README.md"), *table = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&table, &n);

    (void)state;
    conf_print_markdown(f);
    fclose(f);
    if (!strstr(readme, table))
        fail_msg("README.md lacks this table, between its two marks:\n%s", table);
    free(table);
    free(readme);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readmes_table_is_what_the_schema_prints),
    };

    return cmocka_run_group_tests_name("readme", tests, NULL, NULL);
}
