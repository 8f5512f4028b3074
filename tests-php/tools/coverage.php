<?php

// Before every script: the coverage drivers are told to begin. What they have seen is asked for at the end.

if (function_exists('xdebug_start_code_coverage')) {
    xdebug_start_code_coverage(XDEBUG_CC_UNUSED | XDEBUG_CC_DEAD_CODE | XDEBUG_CC_BRANCH_CHECK);
    register_shutdown_function(static fn() => count(xdebug_get_code_coverage()) > 0 || print "NOTHING COVERED\n");
} elseif (function_exists('pcov\start')) {
    pcov\start();
    register_shutdown_function(static fn() => count(pcov\collect()) > 0 || print "NOTHING COVERED\n");
}
