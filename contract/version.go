package contract

// Version and Commit are stamped into the binaries by the linker.
var (
	Version = "dev"
	Commit  = "unknown"
)
