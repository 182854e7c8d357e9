package tree

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/vision-platform/trainer-agent/converters/images"
)

const (
	maxComponent = 255  // bytes; NAME_MAX of every Linux file system
	maxPath      = 3072 // bytes; leaves room for the workspace before PATH_MAX
	maxDepth     = 64   // folders above a file; the converters look no deeper either
)

// Clean makes a relative path with slashes of a name in an archive or of a key.
// It refuses what leads outside or cannot be a file's name. Backslashes are
// separators: archives made on Windows have them, images with a backslash in
// their name have not been seen.
func Clean(name string) (string, error) {
	slashed := strings.ReplaceAll(name, `\`, "/")
	switch {
	case !utf8.ValidString(slashed):
		return "", fmt.Errorf("the name %q is not UTF-8", name)
	case strings.IndexByte(slashed, 0) >= 0:
		return "", fmt.Errorf("the name %q has a zero byte", name)
	case strings.HasPrefix(slashed, "/"), drive(slashed), drive(path.Clean(slashed)):
		return "", fmt.Errorf("the name %q is an absolute path", name)
	case len(slashed) > maxPath:
		return "", fmt.Errorf("the name %.60q… is longer than %d bytes", name, maxPath)
	}
	if strings.Count(path.Clean(slashed), "/") > maxDepth {
		return "", fmt.Errorf("the name %.60q… lies more than %d folders deep", name, maxDepth)
	}
	for part := range strings.SplitSeq(slashed, "/") {
		if part == ".." {
			return "", fmt.Errorf("the name %q leads out of the dataset", name)
		}
		if len(part) > maxComponent {
			return "", fmt.Errorf("a part of the name %.60q… is longer than %d bytes", name, maxComponent)
		}
	}
	clean := path.Clean(slashed)
	if clean == "." {
		return "", fmt.Errorf("the name %q is empty", name)
	}
	return clean, nil
}

// drive reports a name of Windows with its drive letter.
func drive(name string) bool {
	return len(name) >= 2 && name[1] == ':' && name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z'
}

// Junk reports what file managers leave behind and no dataset means: it is left
// out and counted.
func Junk(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if images.Junk(part) {
			return true
		}
	}
	return false
}
