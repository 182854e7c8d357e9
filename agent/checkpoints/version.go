package checkpoints

import (
	"fmt"
	"io/fs"
	"syscall"
)

// version identifies the content of a file for as long as it is not written to:
// inode, size and modification time. Any later write changes it, as long as the
// file was seen unchanged for longer than a tick of the kernel's clock.
type version struct {
	inode uint64
	size  int64
	mtime int64 // nanoseconds since 1970
}

func versionOf(info fs.FileInfo) version {
	v := version{size: info.Size(), mtime: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		v.inode = st.Ino
	}
	return v
}

func (v version) String() string { return fmt.Sprintf("%d:%d:%d", v.inode, v.size, v.mtime) }
