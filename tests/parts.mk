# Real parts of the test house, installed once below target/parts.

.PHONY: parts parts-demo
parts: parts-demo ## Install the real parts that demo and tests use: Synapse, an S3 server
	@true
parts-demo:
	@true
