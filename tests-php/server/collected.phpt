--TEST--
Server: one that never ran and whose handlers lead back to it is collected, and its socket with it
--EXTENSIONS--
grpc
--FILE--
<?php
use Viaduct\Server;

final class Service
{
    public ?Server $server = null;
    public function upload(Viaduct\RequestStream $in): string { return ''; }
    public function hello(string $request): string { return ''; }
}
function circle(callable $make): array
{
    $server = new Server();
    $address = $server->listen('http://127.0.0.1:0');
    $make($server);
    return [WeakReference::create($server), (int) parse_url($address, PHP_URL_PORT)];
}
$listens = fn(int $port) => @stream_socket_client("tcp://127.0.0.1:$port", $errno, $error, 10) !== false;
$circles = [
    'closure' => circle(fn(Server $server) => $server->handle('/a.B/C', function (string $in) use ($server): string { return ''; })),
    'method' => circle(function (Server $server) {
        $service = new Service();
        $service->server = $server;
        $server->handle('/a.B/C', $service->hello(...));
        $server->register('a.D', $service);
    }),
];
foreach ($circles as $name => [$server, $port]) {
    echo "$name: ", $server->get() !== null ? 'there' : 'gone', $listens($port) ? ', listens' : '', "\n";
}
var_dump(gc_collect_cycles() > 0);
foreach ($circles as $name => [$server, $port]) {
    echo "$name: ", $server->get() !== null ? 'there' : 'gone', $listens($port) ? ', listens' : '', "\n";
}
// What somebody holds stays.
$kept = new Server();
$kept->handle('/a.B/C', function (string $in) use ($kept): string { return ''; });
$kept->listen('http://127.0.0.1:0');
gc_collect_cycles();
echo $kept::class, "\n";
?>
--EXPECT--
closure: there, listens
method: there, listens
bool(true)
closure: gone
method: gone
Viaduct\Server
