// Runs the tests whose names contain one of the arguments; without arguments all of them.
#include "harness.h"

#include <stdarg.h>
#include <unistd.h>

static jmp_buf out;
static char reason[2048];

void fail(const char *file, int line, const char *format, ...) {
    const char *base = strrchr(file, '/');
    int used = snprintf(reason, sizeof reason, "%s:%d: ", base ? base + 1 : file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason + used, sizeof reason - (size_t)used, format, arguments);
    va_end(arguments);
    longjmp(out, 1);
}

void skip(const char *why) {
    snprintf(reason, sizeof reason, "%s", why);
    longjmp(out, 2);
}

void same_text(const char *file, int line, const char *expected, const char *actual) {
    if (!actual || strcmp(expected, actual) != 0)
        fail(file, line, "expected \"%s\", got \"%s\"", expected, actual ? actual : "(NULL)");
}

void has_text(const char *file, int line, const char *part, const char *actual) {
    if (!actual || !strstr(actual, part))
        fail(file, line, "expected \"%s\" in \"%s\"", part, actual ? actual : "(NULL)");
}

void same_bytes(const char *file, int line, const char *expected, const unsigned char *data, size_t length) {
    if (strlen(expected) != length || (length && memcmp(expected, data, length) != 0))
        fail(file, line, "expected \"%s\", got %zu bytes: \"%.*s\"", expected, length, (int)length,
             length ? (const char *)data : "");
}

int main(int argc, char **argv) {
    static const test *const files[] = {values_tests, client_tests, stream_tests,  queue_tests,  server_tests,
                                        misuse_tests, tls_tests,    thread_tests, process_tests, proxy_tests};
    int passed = 0, failed = 0, skipped = 0;
    for (size_t file = 0; file < sizeof files / sizeof *files; file++)
        for (const test *one = files[file]; one->name; one++) {
            int wanted = argc < 2;
            for (int n = 1; n < argc; n++) wanted |= strstr(one->name, argv[n]) != NULL;
            if (!wanted) continue;
            // Nothing that works takes as long; what hangs is ended by the signal, and named here.
            alarm(300);
            switch (setjmp(out)) {
            case 0:
                one->run();
                printf("ok   %s\n", one->name);
                passed++;
                break;
            case 2:
                printf("skip %s: %s\n", one->name, reason);
                skipped++;
                break;
            default:
                printf("FAIL %s: %s\n", one->name, reason);
                failed++;
            }
            fflush(stdout);
        }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0;
}
