# Scores a pool in N shares, as many at once as -j says, then selects:
#   make -j 4 -f configs/cluster/shares.mk POOL=pool TARGET=target.jsonl OUTPUT=subset
N ?= 8
WORK ?= work
BUDGET ?= --top-k 1000
SHARES := $(shell seq --format share-%g 0 $$(($(N) - 1)))

$(OUTPUT): $(SHARES)
	zipsel select $(POOL) --target $(TARGET) --work-dir $(WORK) --output $@ $(BUDGET)

share-%:
	zipsel score $(POOL) --target $(TARGET) --work-dir $(WORK) \
	  --rank $* --world-size $(N) --workers 1
