# Real parts of the test house, installed once below target/parts. What cannot be had ends in one sentence that says how to get it.

PARTS ?= $(CURDIR)/target/parts

.PHONY: parts
parts: parts-demo ## Install the real parts that demo and tests use: Synapse, an S3 server, Debian packages
	@tests/parts/install.sh versitygw $(PARTS)

# What the demo needs: its S3 server is our own program.
.PHONY: parts-demo
parts-demo:
	@tests/parts/install.sh packages $(PARTS)
	@tests/parts/install.sh synapse $(PARTS)
