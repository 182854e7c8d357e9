package images

import "strings"

// Junk reports whether a file or folder of this name, a single part of a path, is
// what file managers, and Jupyter's, leave behind: no dataset means it, and what is in it or
// called like it, among images and labels, is neither.
func Junk(part string) bool {
	switch part {
	case "__MACOSX", ".DS_Store", ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems",
		"@eaDir", ".ipynb_checkpoints", "$RECYCLE.BIN", "System Volume Information":
		return true
	}
	if strings.HasPrefix(part, "._") {
		return true // macOS, on a disk that has no resource forks
	}
	lower := strings.ToLower(part)
	switch lower {
	case "thumbs.db", "ehthumbs.db", "desktop.ini":
		return true
	}
	return strings.HasSuffix(lower, "zone.identifier") // Windows, where a file came from
}
