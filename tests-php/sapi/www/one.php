<?php

// One thing at a time, named by ?do=…; the answer is JSON with the process id.

require __DIR__ . '/lib.php';

$finish = function (mixed $result): void {
    header('content-type: application/json');
    echo json_encode(['pid' => getmypid(), 'result' => $result], JSON_UNESCAPED_SLASHES);
};
switch ($_GET['do']) {
    case 'nothing':
        return $finish(['threads' => threads(), 'descriptors' => array_values(descriptors())]);
    case 'classes':
        // What makes no channel starts nothing.
        new Grpc\Timeval(1);
        Grpc\ChannelCredentials::createSsl();
        new Viaduct\ChannelOptions();
        return $finish(['threads' => threads(), 'descriptors' => array_values(descriptors())]);
    case 'call':
        return $finish(call($_GET['text'] ?? 'x', target: $_GET['target'] ?? null));
    case 'threads':
        call('x');
        return $finish(threads());
    case 'leave': // the request ends with a call that is running
        $GLOBALS['call'] = begun('left');
        return $finish('left');
    case 'exit':
        $call = begun('exit');
        $finish('exit');
        exit(0);
    case 'throw':
        $call = begun('throw');
        throw new Exception('nobody catches this');
    case 'fatal':
        $call = begun('fatal');
        ini_set('memory_limit', '8M');
        return str_repeat('x', 64 << 20);
    case 'busy': // max_execution_time counts the time that PHP computes
        $call = begun('busy');
        set_time_limit(1);
        while (true);
    case 'wait':
        ignore_user_abort(false);
        $finish(call('wait', 'Hang'));
        return;
    case 'abort': // the client goes away; PHP finds out when it writes
        ignore_user_abort(false);
        $call = begun('abort');
        file_put_contents($_GET['file'], 'begun');
        while (true) {
            echo str_repeat('x', 1 << 16);
            flush();
            call('meanwhile');
        }
    case 'finish': // calls after the answer has gone out
        $finish('finished');
        fastcgi_finish_request();
        file_put_contents($_GET['file'], json_encode(call('after finish')));
        return;
}
