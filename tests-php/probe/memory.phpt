--TEST--
Nothing is left behind by values, exceptions, messages and metadata
--EXTENSIONS--
grpc
--SKIPIF--
<?php
if (!function_exists('ViaductProbe\decode')) die('skip built without the feature probe');
if (getenv('USE_ZEND_ALLOC') === '0') die('skip the memory in use is not known without the Zend allocator');
?>
--FILE--
<?php
require __DIR__ . '/../support/messages.php';

use Viaduct\{ChannelOptions, Credentials, RpcException, ServerCredentials, ServerOptions, StatusCode};

function ignore(callable $function): void
{
    try {
        $function();
    } catch (Throwable) {
    }
}
function once(string $big): void
{
    new ChannelOptions(userAgent: 'a', authority: 'b', waitForReady: true);
    new ServerOptions(exposeErrors: true);
    ignore(fn() => Credentials::tls($big, $big, $big, 'name'));
    ignore(fn() => ServerCredentials::tls($big, $big, $big));
    $e = new RpcException(StatusCode::Internal, 'text', [['type' => 'a.B', 'value' => $big]], ['a' => 'b', 'c-bin' => [$big]], new Exception());
    $e->details();
    $e->trailers();
    ViaductProbe\status($e);
    ignore(fn() => ViaductProbe\again($e));
    ViaductProbe\metadata(['a' => ['b', 'c'], 'd-bin' => $big]);
    ViaductProbe\payload($big);
    ViaductProbe\payload(new Text($big));
    ViaductProbe\decode($big, null, 1000);
    ViaductProbe\decode($big, Text::class, 1000);
    ignore(fn() => ViaductProbe\decode('broken', Text::class));
    ignore(fn() => ViaductProbe\decode('x', 'No\Such'));
    ignore(fn() => ViaductProbe\payload(1));
    ignore(fn() => ViaductProbe\metadata(['a' => 'ok', 'b' => [$big]]));
    ignore(fn() => new ChannelOptions(userAgent: 'ok', authority: 'not ok'));
    ignore(fn() => Credentials::tls(cert: $big));
    ignore(fn() => ServerCredentials::tls($big, ''));
    ignore(fn() => new RpcException(StatusCode::Internal, 'x', [['type' => 'a.B', 'value' => $big], 1]));
    ignore(fn() => new RpcException(StatusCode::Internal, 'x', [], ['a' => $big, 'b' => "\n"]));
    ignore(fn() => clone Credentials::insecure());
}
function resident(): int
{
    return (int) explode(' ', file_get_contents('/proc/self/statm'))[1] * 4096;
}

$big = random_bytes(50_000);
for ($i = 0; $i < 50; $i++) {
    once($big);
}
gc_collect_cycles();
[$used, $resident] = [memory_get_usage(), resident()];
for ($i = 0; $i < 400; $i++) {
    once($big);
}
gc_collect_cycles();
// One value of 16 bytes left behind in each round would be 6400, one $big 20 MB.
var_dump(memory_get_usage() - $used < 1000);
var_dump(resident() - $resident < 4 << 20);
?>
--EXPECT--
bool(true)
bool(true)
