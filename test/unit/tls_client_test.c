/* The files of a TLS client: what is wrong with one is told with its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <unistd.h>

#include "protocol/tls_client.h"

static void shell(const char *command)
{
    char line[512];

    snprintf(line, sizeof line, "%s 2>/dev/null", command);
    assert_int_equal(system(line), 0);
}

/* In a folder of its own, where the test stays. */
static int make_files(void **state)
{
    static const char certificate[] = "openssl req -x509 -newkey ec -pkeyopt "
                                      "ec_paramgen_curve:prime256v1 -nodes -days 2 "
                                      "-subj /CN=x ";
    char folder[] = "/tmp/muster-tls-XXXXXX", line[256];

    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    *state = strdup(folder);
    snprintf(line, sizeof line, "%s -keyout one.key -out one.pem", certificate);
    shell(line);
    snprintf(line, sizeof line, "%s -keyout two.key -out two.pem", certificate);
    shell(line);
    shell("openssl ec -in one.key -aes256 -passout pass:secret -out locked.key");
    shell("echo words > text");
    return 0;
}

static int remove_files(void **state)
{
    shell("rm one.* two.* locked.key text");
    rmdir(*state);
    free(*state);
    return 0;
}

static void refused(const struct tls_client_files *files, const char *file,
                    const char *words)
{
    struct buf why = BUF_INIT;

    assert_null(tls_client_alloc(files, &why));
    if (!strstr(buf_cstr(&why), file) || !strstr(buf_cstr(&why), words))
        fail_msg("%s (of %s: %s)", buf_cstr(&why), file, words);
    buf_fini(&why);
}

static void accepted(const struct tls_client_files *files)
{
    struct buf why = BUF_INIT;
    struct tls_client *t = tls_client_alloc(files, &why);
    struct ssl_st *session;

    assert_non_null(t);
    assert_int_equal(why.n, 0);
    session = tls_client_session(t, "localhost");
    assert_non_null(session);
    tls_client_end(session);
    tls_client_free(t);
    buf_fini(&why);
}

static void files_are_optional(void **state)
{
    (void)state;
    accepted(&(struct tls_client_files){NULL, NULL, NULL});
    accepted(&(struct tls_client_files){"", "", ""});
    accepted(&(struct tls_client_files){.ca = "one.pem"});
    accepted(&(struct tls_client_files){"one.pem", "two.pem", "two.key"});
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    refused(&(struct tls_client_files){.ca = "none"}, "none: ", "No such file");
    refused(&(struct tls_client_files){.cert = "none", .key = "one.key"},
            "none: ", "No such file");
    refused(&(struct tls_client_files){.cert = "one.pem", .key = "none"},
            "none: ", "No such file");
}

static void a_file_of_something_else_is_named(void **state)
{
    (void)state;
    refused(&(struct tls_client_files){.ca = "text"}, "text: ", "no certificate");
    refused(&(struct tls_client_files){.cert = "text", .key = "one.key"},
            "text: ", "no start line");
    refused(&(struct tls_client_files){.cert = "one.pem", .key = "text"}, "text: ", "");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    (void)state;
    refused(&(struct tls_client_files){.cert = "one.pem", .key = "two.key"},
            "two.key: ", "key values mismatch");
}

/* Asking for it would stop the start until somebody looks. */
static void a_passphrase_is_not_asked_for(void **state)
{
    (void)state;
    refused(&(struct tls_client_files){.cert = "one.pem", .key = "locked.key"},
            "locked.key: ", "");
}

/* Whether something was wrong before, elsewhere, doesn't matter. */
static void an_older_error_is_not_told(void **state)
{
    (void)state;
    refused(&(struct tls_client_files){.ca = "none"}, "none: ", "No such file");
    refused(&(struct tls_client_files){.ca = "text"}, "text: ", "no certificate");
    accepted(&(struct tls_client_files){.ca = "one.pem"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_optional),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(a_file_of_something_else_is_named),
        cmocka_unit_test(a_key_of_another_certificate_is_refused),
        cmocka_unit_test(a_passphrase_is_not_asked_for),
        cmocka_unit_test(an_older_error_is_not_told),
    };

    return cmocka_run_group_tests_name("tls_client", tests, make_files, remove_files);
}
