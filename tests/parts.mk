# Real parts of the test house, installed once below target/parts. What cannot be had ends in one sentence that says how to get it.

PARTS ?= $(CURDIR)/target/parts

.PHONY: parts
parts: parts-demo ## Install the real parts that demo and tests use: Synapse, an S3 server, a proxy that spoils connections, Debian packages
	@tests/parts/install.sh versitygw $(PARTS)
	@tests/parts/install.sh toxiproxy $(PARTS)

# What the demo needs: its S3 server is our own program.
.PHONY: parts-demo
parts-demo:
	@tests/parts/install.sh packages $(PARTS)
	@tests/parts/install.sh synapse $(PARTS)

# The other S3 servers, which only `make contract` asks: a quarter of an hour, most of it Garage's.
.PHONY: parts-contract
parts-contract: parts
	@for part in minio s3proxy s3rver ceph garage; do tests/parts/install.sh $$part $(PARTS); done
