<?php

namespace Viaduct;

/**
 * How a call ended.
 */
final class Status
{
    public readonly StatusCode $code;

    /** For people. Empty where the code is Ok, as a rule. */
    public readonly string $message;

    /**
     * Messages that say more (google.rpc.BadRequest and the like), each serialized.
     *
     * @var list<array{type: string, value: string}>
     */
    public readonly array $details;

    private function __construct() {}

    /** Whether the code is Ok. */
    public function isOk(): bool {}
}
