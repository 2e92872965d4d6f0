"""Whether the models' SQL means the same on DuckDB and on Spark (R33): part of `make lint`."""
