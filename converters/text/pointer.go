package text

import "bytes"

// A pointer of Git LFS is a text of three lines that stands for a file elsewhere.
var pointer = []byte("version https://git-lfs.github.com/spec/")

// MaxPointer is more than the bytes of any pointer of Git LFS.
const MaxPointer = 1024

// IsPointer reports whether a file that starts with head is a pointer of Git LFS: a
// repository was packed before its files were fetched.
func IsPointer(head []byte) bool { return bytes.HasPrefix(head, pointer) }
