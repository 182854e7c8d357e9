package folders

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/yolo"
)

// maxFolders bounds the folders that are looked into for labels of objects.
const maxFolders = 20

// detection refuses a dataset for objects: its boxes say nothing of whole images,
// and its folders are none of classes.
func detection(f *layout.Folder) error {
	what := ""
	if n := yoloFolders(f); n > 0 {
		what = "YOLO, with a text file of boxes for each image"
		for _, name := range f.Names() {
			if ext := path.Ext(name); !strings.Contains(name, "/") && (ext == ".yaml" || ext == ".yml") {
				what += ", and " + name
				break
			}
		}
	} else if n := f.VOCFiles(); n > 0 {
		what = fmt.Sprintf("%d Pascal VOC files", n)
	} else if at := slices.IndexFunc(f.Names(), isTrack); at >= 0 {
		what = "MOT, with the boxes of a video in " + f.Names()[at]
	}
	if what == "" {
		return nil
	}
	return contract.Failf(contract.CodeDatasetInvalid, "The dataset is laid out for objects (%s), and %s needs one class for each image.", what, f.Task).
		WithHint("Train object_detection on it, or move every image into a folder that is called as its class.")
}

// isTrack tells the boxes of a video as MOT Challenge has them.
func isTrack(name string) bool {
	return strings.HasSuffix("/"+name, "/gt/gt.txt") || strings.HasSuffix("/"+name, "/det/det.txt")
}

// yoloFolders counts the folders of images whose labels read as YOLO; 0 unless most
// have them.
func yoloFolders(f *layout.Folder) int {
	dirs := f.ImageFolders()
	dirs = dirs[:min(len(dirs), maxFolders)]
	n := 0
	for _, dir := range dirs {
		if yolo.Labelled(f, dir) {
			n++
		}
	}
	if 2*n < len(dirs) {
		return 0
	}
	return n
}
