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

# What the bench compares with and counts with. Without restic it goes on, and says so.
.PHONY: parts-bench
parts-bench: parts
	@tests/parts/install.sh aws $(PARTS)
	@tests/parts/install.sh valgrind $(PARTS)
	@tests/parts/install.sh restic $(PARTS) || echo 'make: the bench will leave restic out' >&2
