package scan

import (
	"fmt"
	"io/fs"
	"syscall"
)

// Version identifies the content of a file for as long as it is not written to:
// inode, size and modification time. Any later write changes it, as long as the
// file was seen unchanged for longer than a tick of the kernel's clock.
type Version struct {
	Inode uint64
	Size  int64
	Mtime int64 // nanoseconds since 1970
	Ctime int64 // the same, of the last change of name, links or owner
}

// VersionOf reads the version from a file's status.
func VersionOf(info fs.FileInfo) Version {
	v := Version{Size: info.Size(), Mtime: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		v.Inode, v.Ctime = st.Ino, changeTime(st)
	}
	return v
}

// Same reports whether two looks saw the same content. A change of the name or of
// the number of links is none.
func (v Version) Same(w Version) bool {
	return v.Inode == w.Inode && v.Size == w.Size && v.Mtime == w.Mtime
}

func (v Version) String() string { return fmt.Sprintf("%d:%d:%d", v.Inode, v.Size, v.Mtime) }
