<?php

// Before every script: the coverage drivers are told to begin. What they have seen is asked for at the end.

if (function_exists('xdebug_start_code_coverage')) {
    // Without XDEBUG_CC_BRANCH_CHECK: it ends in a segmentation fault as soon as fibers take turns, also those of PHP's own.
    xdebug_start_code_coverage(XDEBUG_CC_UNUSED | XDEBUG_CC_DEAD_CODE);
    register_shutdown_function(static fn() => count(xdebug_get_code_coverage()) > 0 || print "NOTHING COVERED\n");
} elseif (function_exists('pcov\start')) {
    pcov\start();
    register_shutdown_function(static fn() => count(pcov\collect()) > 0 || print "NOTHING COVERED\n");
}
