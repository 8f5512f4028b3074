<?php

// Proxies in tests, and what stands behind them.

require_once __DIR__ . '/server.php';

/** A configuration: everything that comes to a free port goes to the server; `$more` stands at its end. */
function forwarding(ServerProcess|string $to, string $more = ''): string
{
    $member = substr(is_string($to) ? $to : $to->address, strlen('http://'));
    return <<<TOML
    [[listen]]
    address = "http://127.0.0.1:0"
    [[group]]
    name = "echo"
    members = ["$member"]
    [drain]
    notice = 0
    $more
    TOML;
}

/** A server that echoes; it says its name where it is asked. */
function echoing(string $name = 'one'): ServerProcess
{
    return ServerProcess::start(<<<'PHP'
    $server->handle('/p.Echo/Unary', fn(string $in): string => $in);
    $server->handle('/p.Echo/Name', fn(string $in): string => $argv[1]);
    $server->handle('/p.Echo/Chat', function (RequestStream $in): iterable { yield from $in; });
    $server->handle('/p.Echo/Never', function (string $in): string { delay(300); return ''; });
    $server->handle('/p.Echo/Count', function (string $in): iterable { for ($i = 0; $i < (int) $in; $i++) yield (string) $i; });
    $server->handle('/p.Echo/Join', fn(RequestStream $in): string => implode(',', iterator_to_array($in)));
    $server->handle('/p.Echo/Fail', function (string $in, Context $context): string {
        $context->setTrailers(['x-seen' => $context->metadata()['x-given'] ?? ['nothing']]);
        throw new RpcException(StatusCode::NotFound, 'no such thing');
    });
    serve($server);
    PHP, arguments: [$name]);
}

/** Whether nobody listens there any more. */
function refused(string $address): bool
{
    $port = parse_url($address, PHP_URL_PORT);
    return eventually(fn() => @fsockopen('127.0.0.1', $port, $errno, $error, 1) === false && $errno === 111);
}
