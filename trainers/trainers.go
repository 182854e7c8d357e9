// Package trainers carries the files from which a new trainer package is made:
// the starter templates and the parts of the SDK that they use.
// The files are the ones of this folder, so a new package has the SDK of the
// agent that wrote it. It leaves choosing and naming them to trainers/kit.
package trainers

import (
	"embed"
	"io/fs"
)

//go:embed starter sdk/trainer_sdk/*.py sdk/trainer_sdk/py.typed sdk/trainer_sdk/integrations/*.py
//go:embed vision/trainer_vision/__init__.py vision/trainer_vision/py.typed vision/trainer_vision/images.py vision/trainer_vision/metrics.py vision/trainer_vision/attention.py vision/trainer_vision/classifier_explain.py
//go:embed vision/trainer_vision/inference/*.py vision/trainer_vision/inference/explain/*.py
//go:embed vision/trainer_vision/deploy/runtimes/python/*.py vision/trainer_vision/deploy/runtimes/python/README.md
var files embed.FS

//go:embed vision/trainer_vision/deploy/matrix.json
var exportMatrix []byte

// ExportMatrix is what each format of an export can carry, as JSON: export.py of the
// trainers reads the same file.
func ExportMatrix() []byte { return exportMatrix }

// Starter holds the folder "common" and one folder for each template.
func Starter() fs.FS { return sub("starter") }

// SDK holds the package trainer_sdk.
func SDK() fs.FS { return sub("sdk") }

// Vision holds the package trainer_vision, of it what needs no framework.
func Vision() fs.FS { return sub("vision") }

func sub(dir string) fs.FS {
	found, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // a constant and valid path
	}
	return found
}
