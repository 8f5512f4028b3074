<?php

// A server on the raw classes, as the library on top has it: one call at a time, from requestCall() to the status.

namespace Library;

use Grpc\Call as RawCall;
use Grpc\Server as RawServer;
use Grpc\Timeval;

use const Grpc\{
    OP_RECV_CLOSE_ON_SERVER,
    OP_RECV_MESSAGE,
    OP_SEND_INITIAL_METADATA,
    OP_SEND_MESSAGE,
    OP_SEND_STATUS_FROM_SERVER,
    STATUS_OK,
    STATUS_UNIMPLEMENTED,
};

enum Kind
{
    case Unary;
    case ClientStreaming;
    case ServerStreaming;
    case BidiStreaming;
}

final class Status
{
    public static function of(int $code, string $details, ?array $metadata = null): array
    {
        return ['code' => $code, 'details' => $details] + ($metadata === null ? [] : ['metadata' => $metadata]);
    }

    public static function ok(?array $metadata = null): array
    {
        return self::of(STATUS_OK, 'OK', $metadata);
    }
}

final class ServerContext
{
    public ?array $initialMetadata = null;
    public ?array $status = null;
    /** The flags of messages: WRITE_… */
    public int $flags = 0;

    public function __construct(private \stdClass $event)
    {
    }

    public function metadata(): array
    {
        return $this->event->metadata;
    }

    public function method(): string
    {
        return $this->event->method;
    }

    public function host(): string
    {
        return $this->event->host;
    }

    public function deadline(): Timeval
    {
        return $this->event->absolute_deadline;
    }

    public function call(): RawCall
    {
        return $this->event->call;
    }
}

final class Reader
{
    public function __construct(private RawCall $call, private string $class)
    {
    }

    /** The next request; null where there is none any more. */
    public function read()
    {
        $bytes = $this->call->startBatch([OP_RECV_MESSAGE => true])->message;
        if ($bytes === null) {
            return null;
        }
        $request = new $this->class();
        $request->mergeFromString($bytes);
        return $request;
    }
}

final class Writer
{
    private bool $started = false;

    public function __construct(private RawCall $call, private ServerContext $context)
    {
    }

    public function start(): void
    {
        $this->call->startBatch($this->begin([]));
    }

    public function write($response): void
    {
        $this->call->startBatch($this->begin([OP_SEND_MESSAGE => $this->outgoing($response)]));
    }

    /** Whether the client had gone before. */
    public function finish($response = null): bool
    {
        $batch = [
            OP_SEND_STATUS_FROM_SERVER => $this->context->status ?? Status::ok(),
            OP_RECV_CLOSE_ON_SERVER => true,
        ];
        if ($response !== null) {
            $batch[OP_SEND_MESSAGE] = $this->outgoing($response);
        }
        return $this->call->startBatch($this->begin($batch))->cancelled;
    }

    /** The batch, with the initial metadata where it was not sent. */
    private function begin(array $batch): array
    {
        if (!$this->started) {
            $this->started = true;
            $batch[OP_SEND_INITIAL_METADATA] = $this->context->initialMetadata ?? [];
        }
        return $batch;
    }

    private function outgoing($response): array
    {
        $message = ['message' => $response->serializeToString()];
        return $this->context->flags === 0 ? $message : $message + ['flags' => $this->context->flags];
    }
}

class Server extends RawServer
{
    /** @var array<string, array{Kind, class-string, callable}> */
    private array $methods = [];

    /**
     * What the callable takes and returns is that of the kind:
     * unary (request, context): response; client streaming (Reader, context): response;
     * server streaming (request, Writer, context); bidirectional (Reader, Writer, context).
     */
    public function method(string $path, Kind $kind, string $requestClass, callable $handler): void
    {
        $this->methods[$path] = [$kind, $requestClass, $handler];
    }

    public function run(): never
    {
        $this->start();
        while (true) {
            $this->serveOne();
        }
    }

    public function serveOne(): void
    {
        $event = $this->requestCall();
        $context = new ServerContext($event);
        $writer = new Writer($event->call, $context);
        if (!isset($this->methods[$event->method])) {
            $context->status = Status::of(STATUS_UNIMPLEMENTED, 'UNIMPLEMENTED');
            $writer->finish();
            return;
        }
        [$kind, $class, $handler] = $this->methods[$event->method];
        $reader = new Reader($event->call, $class);
        match ($kind) {
            Kind::Unary => $writer->finish($handler($reader->read(), $context)),
            Kind::ClientStreaming => $writer->finish($handler($reader, $context)),
            Kind::ServerStreaming => $handler($reader->read(), $writer, $context),
            Kind::BidiStreaming => $handler($reader, $writer, $context),
        };
    }
}
