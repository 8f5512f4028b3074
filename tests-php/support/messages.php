<?php

/** A message like those of google/protobuf: its payload is its text. */
class Text
{
    public bool $constructed = false;

    public function __construct(public string $text = '')
    {
        $this->constructed = true;
    }

    public function serializeToString(): string
    {
        return $this->text;
    }

    public function mergeFromString(string $bytes): void
    {
        if ($bytes === 'broken') {
            throw new Exception('Error occurred during parsing');
        }
        $this->text .= $bytes;
    }
}
