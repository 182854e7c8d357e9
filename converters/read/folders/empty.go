package folders

import (
	"path"
	"strings"

	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
)

// notRead are suffixes of pictures in a form that is not read: videos, archives, arrays,
// and what cameras and scanners write.
var notRead = map[string]bool{
	".mp4": true, ".avi": true, ".mov": true, ".mkv": true, ".webm": true, ".mpg": true, ".wmv": true,
	".zip": true, ".tar": true, ".gz": true, ".rar": true, ".7z": true, ".npy": true, ".npz": true,
	".dcm": true, ".nii": true, ".cr2": true, ".nef": true, ".arw": true, ".exr": true, ".psd": true,
}

// withoutImages are the folders beside those of classes that hold pictures which are not
// read, and no image: a class of videos is lost otherwise without a word.
func withoutImages(f *layout.Folder, parts []part) []string {
	parents := make(map[string]bool)
	for _, p := range parts {
		if path.Base(p.path) == p.class {
			parents[path.Dir(p.path)] = true
		}
	}
	holds := make(map[string]bool) // images, by folder
	var found []string
	last := ""
	for _, name := range f.Names() {
		image := images.IsImage(name)
		if !image && !notRead[strings.ToLower(path.Ext(name))] || image && path.Dir(name) == last {
			continue
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if !parents[path.Dir(dir)] || layout.IsNoClass(path.Base(dir)) {
				continue
			}
			if image {
				last, holds[dir] = path.Dir(name), true
			} else if len(found) == 0 || found[len(found)-1] != dir {
				found = append(found, dir)
			}
		}
	}
	var list []string
	for _, dir := range found {
		if !holds[dir] {
			list = append(list, dir)
		}
	}
	return list
}
