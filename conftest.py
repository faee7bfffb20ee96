"""What holds for all tests of one process."""

import os

# gRPC, which the etcd tests use, would otherwise meddle with each process that a later test starts: in the child,
# between fork and exec, when its descriptors are closed already.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
