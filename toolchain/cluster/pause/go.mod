module model-serving/toolchain/cluster/pause

go 1.22
