"""How much of a text file is in memory at a time."""

from __future__ import annotations

BLOCK_BYTES = 256 * 1024
LONGEST_RECORD_BYTES = 16 * 1024 * 1024
