"""One module per topic, each with a `main()`; `python -m benchmarks [topic ...]` runs the named ones, or all."""
