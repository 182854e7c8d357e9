// Package read finds out how a dataset is laid out, and reads it with the reader
// of that layout.
//
// It promises to read a layout as its framework would, with the split that it has,
// to report what the framework would drop without a word, and to say what is there
// where it is no layout that is known. It leaves the writing to the writers: every
// dataset goes the same way, through a catalog, so that every check applies to it.
package read

import (
	"github.com/vision-platform/trainer-agent/contract"
	"github.com/vision-platform/trainer-agent/converters/images"
	"github.com/vision-platform/trainer-agent/converters/read/coco"
	"github.com/vision-platform/trainer-agent/converters/read/folders"
	"github.com/vision-platform/trainer-agent/converters/read/layout"
	"github.com/vision-platform/trainer-agent/converters/read/yolo"
)

// recognisers are the layouts, in the order in which they are tried.
var recognisers = []func(*layout.Folder) (*layout.Layout, error){yolo.Recognise, coco.Recognise, folders.Recognise}

// Recognise tells the layout of a folder, or returns nil. The error, a
// *contract.Failure, is for a layout that is known and cannot serve the task.
func Recognise(t *images.Tree, task contract.TaskType) (*layout.Layout, error) {
	f := layout.Open(t, task)
	for _, recognise := range recognisers {
		if l, err := recognise(f); l != nil || err != nil {
			return l, err
		}
	}
	return nil, nil
}
